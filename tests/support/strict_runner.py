"""Workflow code as it is looked at in tests: each task imports it anew and finds the clock, chance and files closed."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

_PURE = ("models", "steps", "timeouts", "queues", "failures", "presentation", "search_attributes", "review_rules")
STRICT_RUNNER = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules(*(f"workflows.{name}" for name in _PURE))
)
"""Raises where code that workers trust, since it was tested like this, is not deterministic."""
