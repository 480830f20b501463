"""What the platforms call: event in, one call, result out."""
