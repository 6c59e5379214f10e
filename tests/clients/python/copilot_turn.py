"""A turn as VS Code's Copilot Chat sends it to a custom endpoint: what its sources put on the wire, no more checked
than there. 72 tools, a long system prompt, no `max_tokens`, and a history with the keys of other providers."""

NAMES = """
    create_directory create_file create_new_jupyter_notebook create_new_workspace edit_notebook_file fetch_webpage
    file_search get_changed_files get_errors get_project_setup_info get_search_view_results get_terminal_output
    get_vscode_api github_repo grep_search insert_edit_into_file install_extension list_code_usages list_dir
    manage_todo_list multi_replace_string_in_file open_simple_browser read_file read_notebook_cell_output
    replace_string_in_file run_in_terminal run_notebook_cell run_subagent run_vscode_command semantic_search
    terminal_last_command terminal_selection test_failure update_project_manifest
""".split()
NAMES += [f"mcp_server_{index}_lookup" for index in range(72 - len(NAMES))]


def tool(name):
    """A tool with the parts of JSON Schema that real ones use."""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Does {name.replace('_', ' ')}. " + "Use it only when the person asks for it. " * 4,
            "parameters": {
                "type": "object",
                "properties": {
                    "filePath": {"type": "string", "description": "The absolute path of the file."},
                    "startLine": {"type": ["number", "null"], "minimum": 1, "default": 1},
                    "kind": {"enum": ["text", "binary"], "description": "“Quoted” — and <tagged> & so on."},
                    "edits": {
                        "type": "array",
                        "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/edit"}]},
                    },
                },
                "required": ["filePath"],
                "additionalProperties": False,
                "$defs": {"edit": {"type": "object", "properties": {"at": {"type": "integer"}}}},
                "$schema": "http://json-schema.org/draft-07/schema#",
            },
        },
    }


HISTORY = [
    {
        "role": "system",
        "content": "You are an expert AI programming assistant.\n" + "Follow the person's requirements.\n" * 120,
        "copilot_cache_control": {"type": "ephemeral"},
    },
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "<environment_info>\nLinux, bash\n</environment_info>"},
            {"type": "text", "text": "<userRequest>\nWhat is in main.rs?\n</userRequest>"},
        ],
        "copilot_cache_control": {"type": "ephemeral"},
    },
    {
        "role": "assistant",
        "content": "",
        "cot_id": "cot_1",
        "cot_summary": "looking at the file",
        "reasoning_content": "The person wants to see a file.",
        "reasoning": "The person wants to see a file.",
        "reasoning_opaque": "ZW5jcnlwdGVk",
        "tool_calls": [
            {
                "id": "call_a1",
                "type": "function",
                "function": {"name": "read_file", "arguments": '{"filePath": "/src/main.rs", "startLine": 1}'},
            },
            {"id": "call_a2", "type": "function", "function": {"name": "list_dir", "arguments": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_a1", "content": 'fn main() {\n    println!("hello");\n}'},
    {
        "role": "tool",
        "tool_call_id": "call_a2",
        "content": [{"type": "text", "text": "main.rs\nlib.rs"}],
    },
    {"role": "assistant", "content": "It prints hello.", "refusal": None},
    {"role": "user", "content": "Say it in other words."},
]


def body(model):
    """The body of the request."""
    return {
        "messages": HISTORY,
        "model": model,
        "temperature": 0.1,
        "top_p": 1,
        "n": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [tool(name) for name in NAMES],
        "tool_choice": "auto",
        "prediction": {"type": "content", "content": "fn main() {}"},
        "reasoning_effort": "medium",
        "top_k": 40,
        "chat_template_kwargs": {"enable_thinking": False},
        "enable_thinking": False,
        "snippy": {"enabled": False},
        "thinking_budget": 4000,
    }


def headers(key):
    """The headers that say who asks."""
    return {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Accept": "*/*",
        "X-Request-Id": "6b0b14a5-9a3c-4b51-8a2e-0d2d2f4c9b11",
        "OpenAI-Intent": "conversation-agent",
        "X-GitHub-Api-Version": "2025-05-01",
        "X-Interaction-Type": "conversation-agent",
        "User-Agent": "GitHubCopilotChat/0.35.0",
    }
