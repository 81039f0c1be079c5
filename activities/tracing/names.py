"""Every span, attribute and measure there is, with a sentence each; docs/operate/observe.md is made from this.

Names are OpenTelemetry's own where its semantic conventions have one. What is not listed here is not recorded: no
attribute holds what was asked, said or written.
"""

from enum import StrEnum

SPANS = {
    "journeyman COMMAND": "A command at the command line, from its start until the gateway has answered.",
    "POST ROUTE": "The gateway answering it.",
    "task": "The whole task, from the start of its workflow to its outcome.",
    "stage STAGE": "One stage; those that wait for a person say so.",
    "step STEP": "One attempt of a workflow's step, on the worker that carried it out.",
    "invoke_agent AGENT": "One run of an agent, from the request for a sandbox until every process in it was dead.",
    "sandbox start": "Within it: until the first process inside was there.",
    "chat MODEL": "Within it: one request to a model provider, by the egress gateway's record.",
    "egress METHOD": "Within it: one other request that left the sandbox.",
    "egress refused": "Within it: one request that the gateway refused.",
    "execute_tool TOOL": "Within it: one tool call, from the agent's line that began it to the line with its result.",
    "check CHECK": "One of the repository's checks on one tree, in a sandbox of its own.",
    "forge CALL": "One call of the forge.",
    "revert": "Taking a merge back, from the person's decision until base was restored.",
}


class Attribute(StrEnum):
    """Attributes of spans."""

    TASK = "journeyman.task.id"
    REPOSITORY = "journeyman.repository"
    TASK_TYPE = "journeyman.task.type"
    PERSON = "enduser.id"
    OUTCOME = "journeyman.outcome"
    STAGE = "journeyman.stage"
    WAITS_FOR = "journeyman.waits_for"
    ACTION = "journeyman.action"
    HTTP_METHOD = "http.request.method"
    HTTP_ROUTE = "http.route"
    HTTP_STATUS = "http.response.status_code"
    ERROR = "error.type"
    STEP = "journeyman.step"
    ATTEMPT = "journeyman.attempt"
    HOST = "host.name"
    RUN = "journeyman.run.id"
    END = "journeyman.run.end"
    BACKEND = "journeyman.sandbox.backend"
    EXIT_CODE = "process.exit.code"
    OUTPUT_BYTES = "journeyman.output.bytes"
    CPU_SECONDS = "journeyman.cpu.seconds"
    MEMORY_BYTES = "journeyman.memory.peak.bytes"
    LEFT_OUT = "journeyman.spans.left_out"
    OPERATION = "gen_ai.operation.name"
    AGENT = "gen_ai.agent.name"
    MODEL = "gen_ai.response.model"
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
    CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
    MICRO_USD = "journeyman.usage.micro_usd"
    TOOL = "gen_ai.tool.name"
    UNFINISHED = "journeyman.unfinished"
    SERVER = "server.address"
    PORT = "server.port"
    RULE = "journeyman.egress.rule"
    REQUEST_BYTES = "http.request.size"
    RESPONSE_BYTES = "http.response.size"
    CHECK = "journeyman.check"
    TREE = "journeyman.tree"
    TESTS = "journeyman.tests"
    TESTS_FAILED = "journeyman.tests.failed"
    FORGE = "journeyman.forge"


ATTRIBUTES = {
    Attribute.TASK: "The task's id; on every span.",
    Attribute.REPOSITORY: "Name of the repository.",
    Attribute.TASK_TYPE: "Such as `bug-fix`.",
    Attribute.PERSON: "Id of the person who asked or decided.",
    Attribute.OUTCOME: "How the task, or the revert, ended.",
    Attribute.STAGE: "Which stage.",
    Attribute.WAITS_FOR: "`person`, if the stage waits for one.",
    Attribute.ACTION: "What was decided, such as `approve`.",
    Attribute.HTTP_METHOD: "Method of the request.",
    Attribute.HTTP_ROUTE: "The gateway's route, without ids.",
    Attribute.HTTP_STATUS: "Status of the answer.",
    Attribute.ERROR: "What kind of failure, in a word; its message is in Temporal and in the archive.",
    Attribute.STEP: "Name of the step.",
    Attribute.ATTEMPT: "Number of the attempt, from 1.",
    Attribute.HOST: "Id of the host whose worker it was.",
    Attribute.RUN: "`<task>-<epoch>-<number>`.",
    Attribute.END: "Why the sandbox ended, such as `exited` or `deadline`.",
    Attribute.BACKEND: "Which kind of sandbox.",
    Attribute.EXIT_CODE: "Exit code of the command inside.",
    Attribute.OUTPUT_BYTES: "Bytes of output.",
    Attribute.CPU_SECONDS: "CPU seconds of all processes inside.",
    Attribute.MEMORY_BYTES: "The most memory at a time, in bytes.",
    Attribute.LEFT_OUT: "How many spans below this one were more than are kept.",
    Attribute.OPERATION: "`invoke_agent`, `chat` or `execute_tool`.",
    Attribute.AGENT: "Name of the agent in journeyman.toml.",
    Attribute.MODEL: "Model that answered, as the provider names it.",
    Attribute.INPUT_TOKENS: "Tokens in, cache reads and writes included.",
    Attribute.OUTPUT_TOKENS: "Tokens out.",
    Attribute.CACHE_READ_TOKENS: "Tokens read from the provider's cache.",
    Attribute.CACHE_WRITE_TOKENS: "Tokens written to it.",
    Attribute.MICRO_USD: "Cost in micro-dollars, by the gateway's count.",
    Attribute.TOOL: "Name of the tool, if it looks like one.",
    Attribute.UNFINISHED: "No result was seen; the span ends with its run.",
    Attribute.SERVER: "The host name, where the allowlist spells it out.",
    Attribute.PORT: "The port.",
    Attribute.RULE: "Which rule allowed or refused it.",
    Attribute.REQUEST_BYTES: "Bytes that left the sandbox.",
    Attribute.RESPONSE_BYTES: "Bytes that came back.",
    Attribute.CHECK: "Name of the check.",
    Attribute.TREE: "`base`, `guarded`, `patched`, or which further run, such as `base2`, `watched` or `mutant0x0`.",
    Attribute.TESTS: "How many tests were reported.",
    Attribute.TESTS_FAILED: "How many of them failed.",
    Attribute.FORGE: "Which kind of forge.",
}


class Measure(StrEnum):
    """Measures, by OpenTelemetry's metrics."""

    TASKS = "journeyman.tasks"
    STAGE_SECONDS = "journeyman.stage.duration"
    RUN_SECONDS = "journeyman.run.duration"
    REQUEST_SECONDS = "gen_ai.client.operation.duration"
    TOOL_SECONDS = "journeyman.tool.duration"
    TOKENS = "gen_ai.client.token.usage"
    COST = "journeyman.cost"
    SANDBOXES = "journeyman.sandbox.starts"
    SANDBOX_SECONDS = "journeyman.sandbox.start.duration"
    REFUSED = "journeyman.egress.refused"


MEASURES = {
    Measure.TASKS: ("counter", "{task}", "Tasks that ended, by outcome and task type."),
    Measure.STAGE_SECONDS: ("histogram", "s", "How long each stage took, by stage."),
    Measure.RUN_SECONDS: ("histogram", "s", "How long agents ran, by agent and end."),
    Measure.REQUEST_SECONDS: ("histogram", "s", "How long model requests took, by model."),
    Measure.TOOL_SECONDS: ("histogram", "s", "How long tool calls took, by tool."),
    Measure.TOKENS: ("histogram", "{token}", "Tokens of each model request, by model and `gen_ai.token.type`."),
    Measure.COST: ("counter", "USD", "Cost of model requests by the gateway's count, by model."),
    Measure.SANDBOXES: ("counter", "{sandbox}", "Sandboxes started for agents and checks, by backend."),
    Measure.SANDBOX_SECONDS: ("histogram", "s", "How long it took until the first process inside was there."),
    Measure.REFUSED: ("counter", "{request}", "Requests of agents that the egress gateway refused, by rule."),
}
"""Kind, unit in UCUM, and meaning."""
