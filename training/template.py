"""How a conversation becomes text: the same as `template.jinja`, which goes into the model file."""

from pathlib import Path

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
JINJA = Path(__file__).with_name("template.jinja").read_text(encoding="utf-8").strip()
CALL = 'Answer with <tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>'


def tool_line(tool: dict) -> str:
    """One line of the list of tools: `name(parameter: type, …): description`."""
    function = tool["function"]
    properties = function.get("parameters", {}).get("properties", {})
    parameters = ", ".join(f"{name}: {about.get('type', 'string')}" for name, about in properties.items())
    return f"{function['name']}({parameters}): {function.get('description', '')}"


def segments(system: str, tools: list[dict], turns: list[tuple[str, str]]) -> list[tuple[str, bool]]:
    """The pieces of a conversation in order, each with whether the model is to learn to write it."""
    head = system
    if tools:
        head += ("\n\n" if head else "") + "Tools:\n" + "\n".join(map(tool_line, tools)) + "\n" + CALL
    pieces = [(f"{START}system\n{head}{END}\n", False)] if head else []
    for asked, answered in turns:
        pieces.append((f"{START}user\n{asked}{END}\n{START}assistant\n", False))
        pieces.append((f"{answered}{END}", True))
        pieces.append(("\n", False))
    return pieces[:-1]
