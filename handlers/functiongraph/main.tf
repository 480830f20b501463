# The functions, their asynchronous configuration and their triggers on Huawei Cloud, with
# the settings that `transcode deploy functiongraph` brings there, for those who run
# Terraform. Its syntax is checked by a test, and what it works out was compared with the
# command's by Terraform 1.11; never applied here: no account, no provider.
#
# After the documentation of the provider `huaweicloud` (fgs_function, fgs_function_trigger,
# fgs_async_invoke_configuration); enable_dynamic_memory came with its 1.73.1,
# enable_auth_in_header with 1.74.0.

terraform {
  required_version = ">= 1.3"
  required_providers {
    huaweicloud = {
      source  = "huaweicloud/huaweicloud"
      version = ">= 1.74.0"
    }
  }
}

locals {
  # The first is the one that uploads start; tasks go to the cheapest that fits.
  names = keys(var.functions)
  urns  = { for name in local.names : name => "urn:fss:${var.region}:${var.project_id}:function:default:${name}:latest" }

  words = [
    for name in concat([var.upload_function], [for it in local.names : it if it != var.upload_function]) :
    join(",", compact([
      local.urns[name],
      "seconds=${var.functions[name].seconds}",
      "scratch=${var.functions[name].scratch}",
      var.functions[name].gpu == null ? "" : "gpu=${var.functions[name].gpu}:${var.functions[name].gpu_memory}",
    ]))
  ]

  environment = merge({
    TRANSCODE_TO                     = var.to
    TRANSCODE_SOURCES                = join(" ", [for it in var.sources : "s3://${it.bucket}/${it.prefix}"])
    TRANSCODE_FUNCTIONGRAPH_FUNCTION = join(" ", local.words)
    TRANSCODE_S3_ENDPOINT_URL        = "https://obs.${var.region}.myhuaweicloud.com"
    TRANSCODE_S3_REGION              = var.region
    TRANSCODE_SCRATCH                = "/tmp"
  }, var.settings)
}

resource "huaweicloud_fgs_function" "transcode" {
  for_each = var.functions

  name                  = each.key
  app                   = "default"
  agency                = var.agency
  functiongraph_version = "v2"
  runtime               = "Custom Image"
  code_type             = "Custom-Image-Swr"
  handler               = "-"
  initializer_handler   = "-"
  initializer_timeout   = 120
  memory_size           = var.memory_mib
  timeout               = each.value.seconds
  ephemeral_storage     = each.value.scratch
  gpu_type              = each.value.gpu
  gpu_memory            = each.value.gpu_memory
  max_instance_num      = tostring(var.instances)
  enable_dynamic_memory = true
  enable_auth_in_header = true
  user_data             = jsonencode(local.environment)
  encrypted_user_data   = length(var.secrets) == 0 ? null : jsonencode(var.secrets)

  custom_image {
    url = var.image
  }

  dynamic "reserved_instances" {
    for_each = each.key == var.upload_function && var.reserved > 0 ? [var.reserved] : []
    content {
      qualifier_type = "version"
      qualifier_name = "latest"
      count          = reserved_instances.value
      idle_mode      = false
    }
  }
}

resource "huaweicloud_fgs_async_invoke_configuration" "transcode" {
  for_each = huaweicloud_fgs_function.transcode

  function_urn                   = each.value.urn
  max_async_event_age_in_seconds = var.event_age_seconds
  max_async_retry_attempts       = 0
  enable_async_status_log        = true

  dynamic "on_success" {
    for_each = var.on_success == null ? [] : [var.on_success]
    content {
      destination = on_success.value.destination
      param       = jsonencode(on_success.value.param)
    }
  }

  dynamic "on_failure" {
    for_each = var.on_failure == null ? [] : [var.on_failure]
    content {
      destination = on_failure.value.destination
      param       = jsonencode(on_failure.value.param)
    }
  }
}

resource "huaweicloud_fgs_function_trigger" "uploads" {
  for_each = { for it in var.sources : "${it.bucket}/${it.prefix}" => it }

  function_urn = huaweicloud_fgs_function.transcode[var.upload_function].urn
  type         = "OBS"
  event_data = jsonencode({
    name   = "transcode-in-${substr(sha256("s3://${each.value.bucket}/${each.value.prefix}"), 0, 8)}"
    bucket = each.value.bucket
    prefix = each.value.prefix
    events = ["s3:ObjectCreated:*"]
  })
}

resource "huaweicloud_fgs_function_trigger" "sweep" {
  function_urn = huaweicloud_fgs_function.transcode[var.upload_function].urn
  type         = "TIMER"
  event_data = jsonencode({
    name          = "transcode-sweep"
    schedule_type = "Rate"
    schedule      = "15m"
  })
}
