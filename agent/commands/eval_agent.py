"""`souschef eval agent [CASES]`: routes, arguments, answers and latency of whole turns."""

from pathlib import Path

import click

from agent.commands.eval_options import EvalOptions, check_names, conclude, engine_options, eval_options


@click.command()
@click.argument("cases", type=click.Path(path_type=Path), default="routing")
@engine_options
@click.option("--index", type=click.Path(path_type=Path), default=None, help="A recipe index of your own.")
@click.option("--policy", default=None, help="What writes summaries: a model, or a training run.")
@click.option("--first-action", is_flag=True, help="Judge only the first decision; much faster.")
@click.option(
    "--step-limit", type=click.IntRange(0, 50), default=4, show_default=True, help="Most tool calls."
)
@click.option(
    "--time-limit", type=click.FloatRange(0.1, 86_400), default=300, show_default=True, help="Seconds a turn."
)
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True)
@click.option("--max-tokens", type=click.IntRange(16), default=512, show_default=True, help="Most per step.")
@eval_options
def agent(
    cases: Path,
    model: str | None,
    base_url: str | None,
    index: Path | None,
    policy: str | None,
    first_action: bool,
    step_limit: int,
    time_limit: float,
    temperature: float,
    max_tokens: int,
    options: EvalOptions,
) -> None:
    """Run the questions of CASES through the agent and judge each turn.

    CASES is a JSONL file: {"id", "question", "expect": {"route", "args"?, "answer"?, "sources"?}, "file"?,
    "history"?} a line. Without it the cases that ship are run, which check routes and arguments.

    Examples:

    \b
      souschef eval agent --first-action
      souschef eval agent my-cases.jsonl --model phi-3-mini --out runs/phi3 --min route_accuracy=0.8
    """
    from agent.evaluation.agent_cases import read_cases
    from agent.evaluation.agent_run import evaluate_agent
    from agent.evaluation.agent_scores import METRIC_NAMES
    from agent.evaluation.agent_turns import TurnOptions

    check_names(options.minimums, METRIC_NAMES)
    read_cases(cases)  # before the seconds that a model takes to load
    evaluation = evaluate_agent(
        cases,
        model,
        index,
        policy=policy,
        options=TurnOptions(first_action, step_limit, time_limit, temperature, max_tokens),
        base_url=base_url,
        limit=options.limit,
        **options.run,
    )
    conclude(evaluation, options)
