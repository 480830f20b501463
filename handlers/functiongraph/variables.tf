variable "region" {
  type    = string
  default = "cn-north-4"
}

variable "project_id" {
  type        = string
  description = "Of the region; it is part of the functions' names."
}

variable "image" {
  type        = string
  description = "swr.REGION.myhuaweicloud.com/ORGANISATION/transcode:TAG"
}

variable "agency" {
  type        = string
  description = "Reads uploads, reads and writes results, starts the functions, reads SWR."
}

variable "to" {
  type        = string
  description = "Where results and jobs go: s3://bucket/prefix"
}

variable "sources" {
  type        = list(object({ bucket = string, prefix = string }))
  description = "Where uploads come from; none of them may overlap with var.to."
}

variable "functions" {
  type = map(object({
    seconds    = number
    scratch    = number
    gpu        = optional(string)
    gpu_memory = optional(number)
  }))
  default = {
    transcode      = { seconds = 900, scratch = 512 }
    transcode-long = { seconds = 43200, scratch = 10240 }
  }
  description = "What no call sets: time limit, scratch (512 or 10240 MiB), GPU (nvidia-t4) with its MiB."
}

variable "upload_function" {
  type    = string
  default = "transcode"
}

variable "memory_mib" {
  type        = number
  default     = 512
  description = "Of calls that ask for none, such as planning."
}

variable "instances" {
  type    = number
  default = 100
}

variable "reserved" {
  type    = number
  default = 0
}

variable "event_age_seconds" {
  type    = number
  default = 300
}

variable "on_success" {
  type        = object({ destination = string, param = any })
  default     = null
  description = "Whom the platform tells of a call: SMN with topic_urn, FunctionGraph with func_urn, OBS with bucket, prefix and expires, DIS with stream_name."
}

variable "on_failure" {
  type        = object({ destination = string, param = any })
  default     = null
  description = "The same, of one that failed."
}

variable "secrets" {
  type        = map(string)
  default     = {}
  sensitive   = true
  description = "TRANSCODE_* variables that hold a secret, such as TRANSCODE_WEBHOOK_SECRET: told encrypted."
}

variable "settings" {
  type        = map(string)
  default     = {}
  description = "Further TRANSCODE_* variables, such as TRANSCODE_PROFILE."
}
