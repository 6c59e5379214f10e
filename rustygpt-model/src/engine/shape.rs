//! [`Shaper`]: what the answers of a request are made of, and what shape they must have.

use super::guide::Guide;
use crate::contract::{
    FinishReason, GenerateRequest, Grammar, Input, ModelError, Tool, ToolChoice,
};
use crate::decode::tool_calls::{
    CallFormat, CallableTool, Reading, call_id, calls_grammar, calls_or_document,
};
use crate::decode::{Outline, ReasoningMarks, StreamDecoder};
use crate::grammar::{COMPILED_AT_ONCE, CompileLimits, Compiled, GrammarError, Grammars, Schema};
use crate::prompt::ChatTemplate;
use crate::tokenizer::Tokenizer;
use serde_json::{Value, json};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Marks of reasoning, as templates write them.
const REASONING: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
];
/// How many of a prompt's last tokens tell whether it ends inside the reasoning.
const LAST_TOKENS: usize = 16;
/// When a request comes back whose grammar could not be compiled beside those of others.
const RETRY_AFTER_SECONDS: u64 = 2;

/// Finds the shape of requests' answers, for one model.
pub(super) struct Shaper {
    tokenizer: Arc<Tokenizer>,
    format: CallFormat,
    reasoning: Option<(&'static str, &'static str)>,
    /// Made when first needed: it costs time and memory.
    grammars: OnceLock<Result<Grammars, GrammarError>>,
}

/// What the answers of one request are made of, and what shape they must have.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    outline: Outline,
    /// The control tokens that the outline's marks are.
    marks: Arc<[u32]>,
    /// Holds the whole answer, but for the reasoning.
    whole: Option<Compiled>,
    /// Holds calls from where they begin.
    calls: Option<Compiled>,
    calls_reason: FinishReason,
    /// What the ids of calls are made from.
    id_base: u64,
    format: CallFormat,
    notes: Vec<String>,
}

/// What is asked of the calls of an answer.
struct Wanted<'a> {
    tools: Vec<&'a Tool>,
    is_required: bool,
    is_single: bool,
    /// What the answer must match if it is no call.
    document: Option<Schema>,
    calls_reason: FinishReason,
}

impl Shaper {
    pub(super) fn new(tokenizer: Arc<Tokenizer>, template: Option<&ChatTemplate>) -> Self {
        let source = template.map_or("", ChatTemplate::source_with_tools);
        let reasoning = REASONING
            .into_iter()
            .find(|(_, close)| source.contains(close));
        Self {
            tokenizer,
            format: CallFormat::of_template(source),
            reasoning,
            grammars: OnceLock::new(),
        }
    }

    /// The shape of a request's answers. Compiling takes a while: on a blocking thread.
    ///
    /// # Errors
    /// - [`ModelError::Unsupported`]: a grammar that is wrong or too complex;
    /// - [`ModelError::QueueFull`]: too many requests bring new grammars.
    pub(super) fn shape(&self, request: &GenerateRequest) -> Result<Shape, ModelError> {
        let mut shape = self.free();
        if let Input::Chat {
            tools,
            tool_choice,
            allows_parallel_calls,
            ..
        } = &request.input
        {
            if let Some((open, close)) = self.reasoning {
                shape.outline.reasoning = Some(ReasoningMarks {
                    open: open.to_owned(),
                    close: close.to_owned(),
                    is_open: false,
                });
            }
            if let Some(mut wanted) = wanted(tools, tool_choice, *allows_parallel_calls) {
                if !wanted.is_required {
                    let document = request.grammar.as_ref().map(document);
                    wanted.document = document.transpose().map_err(refused("response_format"))?;
                }
                let id_base = rustygpt_utils::random::bytes::<8>()
                    .map_err(|error| ModelError::Internal(Box::new(error)))?;
                shape.id_base = u64::from_le_bytes(id_base);
                self.hold_calls(&mut shape, &wanted)
                    .map_err(refused("tools"))?;
            }
        }
        if let (Some(grammar), None) = (&request.grammar, &shape.whole) {
            let compiled = self.compile(grammar).map_err(refused("response_format"))?;
            shape.whole = Some(compiled);
        }
        let reasoning = self
            .reasoning
            .iter()
            .flat_map(|&(open, close)| [open, close]);
        let marks = self.format.marks().chain(reasoning);
        shape.marks = marks
            .filter_map(|mark| self.tokenizer.id_of(mark))
            .filter(|&id| self.tokenizer.is_control(id))
            .collect();
        if shape.outline == Outline::default() {
            shape.marks = Arc::from([]);
        }
        Ok(shape)
    }

    /// The shape of free text.
    fn free(&self) -> Shape {
        Shape {
            outline: Outline::default(),
            marks: Arc::from([]),
            whole: None,
            calls: None,
            calls_reason: FinishReason::ToolCalls,
            id_base: 0,
            format: self.format,
            notes: Vec::new(),
        }
    }

    fn hold_calls(&self, shape: &mut Shape, wanted: &Wanted<'_>) -> Result<(), GrammarError> {
        let grammars = self.grammars()?;
        let mut callable = Vec::with_capacity(wanted.tools.len());
        for tool in &wanted.tools {
            let (arguments, is_relaxed) = arguments(tool)?;
            if is_relaxed {
                shape.notes.push(format!("tools ({})", tool.name));
            }
            callable.push(CallableTool {
                name: tool.name.clone(),
                arguments,
            });
        }
        let compile = |callable: &[CallableTool]| {
            let (format, is_single) = (&self.format, wanted.is_single);
            grammars.lark(match &wanted.document {
                Some(schema) => calls_or_document(grammars, format, callable, is_single, schema),
                None => calls_grammar(grammars, format, callable, !wanted.is_required, is_single),
            })
        };
        let compiled = match compile(&callable) {
            Ok(compiled) => compiled,
            Err(GrammarError::Busy) => return Err(GrammarError::Busy),
            Err(error) if wanted.tools.iter().any(|tool| tool.strict == Some(true)) => {
                return Err(GrammarError::Invalid(format!(
                    "the tools' schemas cannot be promised: {error}"
                )));
            }
            // Nothing more than an object was promised.
            Err(_) => {
                shape.notes.push("tools (schemas)".to_owned());
                for tool in &mut callable {
                    tool.arguments = Schema::any_object();
                }
                compile(&callable)?
            }
        };
        let names = callable.into_iter().map(|tool| tool.name);
        shape.outline.calls = Some(Arc::new(Reading {
            format: self.format,
            names: names.collect(),
            is_single: wanted.is_single,
        }));
        shape.calls_reason = wanted.calls_reason;
        match wanted.is_required || wanted.document.is_some() {
            true => shape.whole = Some(compiled),
            false => shape.calls = Some(compiled),
        }
        Ok(())
    }

    fn compile(&self, grammar: &Grammar) -> Result<Compiled, GrammarError> {
        let grammars = self.grammars()?;
        let compiled = match grammar {
            Grammar::JsonObject | Grammar::JsonSchema(_) => grammars.schema(&document(grammar)?),
            Grammar::Regex(expression) => grammars.regex(expression),
            Grammar::Lark(text) => grammars.lark(text.clone()),
        };
        compiled.map_err(|error| match error {
            GrammarError::Busy => GrammarError::Busy,
            error => {
                GrammarError::Invalid(format!("the answer's shape cannot be promised: {error}"))
            }
        })
    }

    fn grammars(&self) -> Result<&Grammars, GrammarError> {
        self.grammars
            .get_or_init(|| Grammars::new(Arc::clone(&self.tokenizer), CompileLimits::default()))
            .as_ref()
            .map_err(Clone::clone)
    }
}

/// The error of a request whose parameter asks for that shape.
fn refused(param: &'static str) -> impl Fn(GrammarError) -> ModelError {
    move |error| match error {
        GrammarError::Busy => ModelError::QueueFull {
            waiting: COMPILED_AT_ONCE,
            retry_after_seconds: RETRY_AFTER_SECONDS,
        },
        error => ModelError::Unsupported {
            param,
            message: error.to_string(),
        },
    }
}

fn wanted<'a>(
    tools: &'a [Tool],
    choice: &ToolChoice,
    allows_parallel_calls: bool,
) -> Option<Wanted<'a>> {
    let mut wanted = Wanted {
        tools: tools.iter().collect(),
        is_required: false,
        is_single: !allows_parallel_calls,
        document: None,
        calls_reason: FinishReason::ToolCalls,
    };
    match choice {
        ToolChoice::Auto => {}
        ToolChoice::None => return None,
        ToolChoice::Required => wanted.is_required = true,
        ToolChoice::Function(name) => {
            wanted.tools.retain(|tool| tool.name == *name);
            wanted.is_required = true;
            wanted.is_single = true;
            // As OpenAI has it: the client knows already which function is called.
            wanted.calls_reason = FinishReason::Stop;
        }
        ToolChoice::Allowed { names, is_required } => {
            wanted.tools.retain(|tool| names.contains(&tool.name));
            wanted.is_required = *is_required;
        }
    }
    (!wanted.tools.is_empty()).then_some(wanted)
}

/// The schema of a grammar of documents.
fn document(grammar: &Grammar) -> Result<Schema, GrammarError> {
    match grammar {
        Grammar::JsonObject => Ok(Schema::any_object()),
        Grammar::JsonSchema(value) => Schema::new(value.clone(), false).map_err(|problem| {
            GrammarError::Invalid(format!("the schema's {}: {problem}", problem.path))
        }),
        Grammar::Regex(_) | Grammar::Lark(_) => Err(GrammarError::Invalid(
            "tools can only be combined with JSON; leave one of the two out".to_owned(),
        )),
    }
}

/// What a tool's arguments must match, and whether that is less than its schema says: a client's
/// other tools must not fail for one that nobody can honour, unless it is strict.
fn arguments(tool: &Tool) -> Result<(Schema, bool), GrammarError> {
    let Some(parameters) = &tool.parameters else {
        let nothing = json!({ "type": "object", "additionalProperties": false });
        return Ok((checked(nothing)?, false));
    };
    let mut value = parameters.clone();
    if let Value::Object(fields) = &mut value {
        fields.entry("type").or_insert_with(|| "object".into());
        let is_empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
        if fields.get("properties").is_some_and(is_empty) {
            fields
                .entry("additionalProperties")
                .or_insert(Value::Bool(false));
        }
    }
    if tool.strict == Some(true) {
        return Ok((checked(value)?, false));
    }
    if value.get("type").is_none_or(|kind| kind != "object") {
        return Ok((Schema::any_object(), true));
    }
    Ok(match Schema::relaxed(value) {
        Ok((schema, left_out)) => (schema, !left_out.is_empty()),
        Err(_) => (Schema::any_object(), true),
    })
}

fn checked(value: Value) -> Result<Schema, GrammarError> {
    Schema::new(value, false)
        .map_err(|problem| GrammarError::Invalid(format!("{}: {problem}", problem.path)))
}

impl Shape {
    /// Looks whether the prompt ends inside the reasoning.
    pub(super) fn see_prompt(&mut self, tokenizer: &Tokenizer, prompt: &[u32]) {
        let Some(marks) = &mut self.outline.reasoning else {
            return;
        };
        let last = prompt.iter().rev().take(LAST_TOKENS).rev();
        let bytes: Vec<u8> = last
            .flat_map(|&id| tokenizer.token_bytes(id).into_owned())
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        marks.is_open = text.trim_end().ends_with(marks.open.as_str());
    }

    /// What holds one answer to this shape; `ending` are the tokens that may end it.
    pub(super) fn guide(&self, ending: &Arc<[u32]>) -> Guide {
        let reasoning = self.outline.reasoning.as_ref();
        Guide::new(
            self.whole.clone(),
            self.calls.clone(),
            reasoning.is_some_and(|marks| marks.is_open),
            Arc::clone(ending),
        )
    }

    /// What reads one answer.
    pub(super) fn decoder(&self, tokenizer: Arc<Tokenizer>, stop: Vec<String>) -> StreamDecoder {
        StreamDecoder::of_outline(tokenizer, stop, self.outline.clone(), &self.marks)
    }

    /// The id of a call.
    pub(super) fn call_id(&self, choice: u32, call: u32) -> String {
        call_id(self.format.id, self.id_base, choice, call)
    }

    /// Why an answer with calls ended.
    pub(super) fn calls_reason(&self) -> FinishReason {
        self.calls_reason
    }

    /// Parameters that are honoured in part; each note begins with the parameter's name.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Debug for Shaper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shaper")
            .field("format", &self.format)
            .field("reasoning", &self.reasoning)
            .field("is_prepared", &self.grammars.get().is_some())
            .finish_non_exhaustive()
    }
}
