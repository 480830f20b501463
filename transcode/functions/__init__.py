"""What is the same in every platform's function: event in, one call, result out."""
