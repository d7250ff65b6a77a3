variable "name" {
  description = "Name of the service and of everything that belongs to it."
  type        = string
  default     = "web"
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "app_image" {
  description = "Your application's image: starts Gunicorn with one of the exporter's workers on port 8000."
  type        = string
}

variable "exporter_image" {
  description = "The exporter's image (docker/ of this project)."
  type        = string
}

variable "cluster_arn" {
  description = "ECS cluster to run in."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the subnets."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets for the tasks, with a way to the images' registry."
  type        = list(string)
}

variable "balancer_security_group_id" {
  description = "Security group of the load balancer, which may connect to the application."
  type        = string
}

variable "prometheus_security_group_id" {
  description = "Security group of Prometheus, which may connect to the metrics."
  type        = string
}

variable "namespace_id" {
  description = "Cloud Map namespace (private DNS) in which Prometheus finds the tasks."
  type        = string
}

variable "desired_count" {
  description = "How many tasks to run."
  type        = number
  default     = 2
}
