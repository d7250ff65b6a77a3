output "discovery_name" {
  description = "The name, within the namespace, for Prometheus' dns_sd_configs; the port is 9091."
  value       = aws_service_discovery_service.this.name
}

output "security_group_id" {
  description = "Security group of the tasks."
  value       = aws_security_group.this.id
}
