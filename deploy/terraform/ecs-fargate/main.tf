# A Gunicorn service on ECS with Fargate. Each task has two containers: the application, whose workers write their
# metrics to a volume, and the exporter beside it, which serves them to Prometheus on port 9091.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {
  region = var.region
}

locals {
  metrics_directory = "/metrics"
  user              = "10001"

  metrics_mount = {
    sourceVolume  = "metrics"
    containerPath = local.metrics_directory
    readOnly      = false
  }

  logs = {
    logDriver = "awslogs"
    options = {
      "awslogs-group"         = aws_cloudwatch_log_group.this.name
      "awslogs-region"        = var.region
      "awslogs-stream-prefix" = var.name
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = 30
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.execution.arn

  # Lives as long as the task, and is shared by its containers. It belongs to root, unless the application's image has
  # the directory: RUN install -d -o 10001 /metrics, VOLUME /metrics.
  volume {
    name = "metrics"
  }

  container_definitions = jsonencode([
    {
      name         = "app"
      image        = var.app_image
      essential    = true
      user         = local.user
      portMappings = [{ containerPort = 8000, protocol = "tcp" }]
      mountPoints  = [local.metrics_mount]
      environment = [
        { name = "PROMETHEUS_MULTIPROC_DIR", value = local.metrics_directory },
        { name = "SIDECAR_MODE", value = "true" },
        { name = "GUNICORN_WORKERS", value = "3" },
      ]
      stopTimeout      = 35
      logConfiguration = local.logs
    },
    {
      name                   = "exporter"
      image                  = var.exporter_image
      command                = ["sidecar"]
      essential              = true
      user                   = local.user
      readonlyRootFilesystem = true
      portMappings           = [{ containerPort = 9091, protocol = "tcp" }]
      mountPoints            = [local.metrics_mount]
      environment = [
        { name = "PROMETHEUS_MULTIPROC_DIR", value = local.metrics_directory },
        { name = "PROMETHEUS_METRICS_PORT", value = "9091" },
        { name = "PROMETHEUS_BIND_ADDRESS", value = "0.0.0.0" },
      ]
      healthCheck = {
        command     = ["CMD", "gunicorn-prometheus-exporter", "health"]
        interval    = 30
        timeout     = 5
        retries     = 3
        startPeriod = 10
      }
      logConfiguration = local.logs
    },
  ])
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "Tasks of ${var.name}"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "app" {
  security_group_id            = aws_security_group.this.id
  description                  = "Requests, from the load balancer"
  referenced_security_group_id = var.balancer_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 8000
  to_port                      = 8000
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  security_group_id            = aws_security_group.this.id
  description                  = "Scrapes, from Prometheus"
  referenced_security_group_id = var.prometheus_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 9091
  to_port                      = 9091
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.this.id
  description       = "Images, logs, and what the application needs"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

# An address record for each task: what Prometheus' dns_sd_configs asks for.
resource "aws_service_discovery_service" "this" {
  name = var.name

  dns_config {
    namespace_id   = var.namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 15
    }
  }
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count
  launch_type     = "FARGATE"

  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [aws_security_group.this.id]
  }

  service_registries {
    registry_arn = aws_service_discovery_service.this.arn
  }
}
