output "functions" {
  description = "TRANSCODE_FUNCTIONGRAPH_FUNCTION, for whoever starts tasks from elsewhere."
  value       = join(" ", local.words)
}
