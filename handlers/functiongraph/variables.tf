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
  type = map(object({ seconds = number, scratch = number }))
  default = {
    transcode      = { seconds = 900, scratch = 512 }
    transcode-long = { seconds = 43200, scratch = 10240 }
  }
  description = "Time limit and scratch (512 or 10240 MiB), which no call sets."
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

variable "failure_topic_urn" {
  type        = string
  default     = ""
  description = "Of SMN; empty: nobody is told."
}

variable "settings" {
  type        = map(string)
  default     = {}
  description = "Further TRANSCODE_* variables, such as TRANSCODE_PROFILE."
}
