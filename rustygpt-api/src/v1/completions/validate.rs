//! A client's request becomes the engine's, or an error that names the field at fault.

use crate::error::ApiError;
use crate::v1::chat_completions::validate::{
    TOP_LOGPROBS, choices, invalid, limits, response_format, sampling, stream, unsupported,
};
use rustygpt_common::openai::{
    ChatRequest, CompletionRequest, EmbeddingsInput, EmbeddingsItem, StreamOptions,
};
use rustygpt_model::contract::{
    CacheSalt, GenerateRequest, Grammar, Input, Limits, Priority, Sampling,
};
use rustygpt_orchestrator::models::Lease;
use rustygpt_orchestrator::tokens;

/// What OpenAI gives whoever does not say how much they want.
const MAX_TOKENS: u32 = 16;
/// Answers of one request: no more than an idle engine takes at once.
const ANSWERS: usize = 64;

/// A request in which everything is possible.
#[derive(Debug)]
pub(crate) struct Validated {
    /// The name of the model asked for.
    pub(crate) model: String,
    /// What the engine is asked.
    pub(crate) texts: Texts,
    /// How to stream; `None` for a whole answer.
    pub(crate) stream: Option<StreamOptions>,
    /// Parameters that have no effect or a different one.
    pub(crate) ignored: Vec<String>,
    /// How the answer is written.
    pub(crate) form: Form,
}

/// How an answer is written.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// What to write before each prompt's answers; empty where nothing was asked for.
    pub(crate) echo: Vec<Echo>,
    /// Answers to give per prompt.
    pub(crate) choices: u32,
    /// Answers that are written per prompt, of which the likeliest are given.
    pub(crate) best_of: u32,
    /// Whether log-probabilities were asked for.
    pub(crate) wants_logprobs: bool,
}

/// A prompt that is given back.
#[derive(Clone, Debug)]
pub(crate) enum Echo {
    Text(String),
    Tokens(Vec<u32>),
}

/// Texts to go on with.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) prompts: Vec<Input>,
    /// What stands behind the answer; there is one prompt then, a text.
    pub(crate) suffix: Option<String>,
    pub(crate) grammar: Option<Grammar>,
    pub(crate) sampling: Sampling,
    pub(crate) limits: Limits,
    pub(crate) logprobs: Option<u8>,
    /// Answers that are written per prompt.
    pub(crate) best_of: u32,
}

impl Texts {
    /// Answers that are written per prompt.
    pub(crate) fn choices(&self) -> u32 {
        self.best_of
    }

    /// What the engine is asked: one request per prompt.
    ///
    /// # Errors
    /// 400 for a suffix that the model cannot honour.
    pub(crate) fn requests(self, lease: &Lease) -> Result<Vec<GenerateRequest>, ApiError> {
        let Self {
            mut prompts,
            suffix,
            grammar,
            sampling,
            limits,
            logprobs,
            best_of,
        } = self;
        if let (Some(suffix), [Input::Text(prefix)]) = (suffix, prompts.as_slice()) {
            prompts = vec![tokens::fill_in_middle(lease, prefix, &suffix)?];
        }
        let request = |input| GenerateRequest {
            input,
            grammar: grammar.clone(),
            sampling: sampling.clone(),
            limits: limits.clone(),
            choices: best_of,
            logprobs,
            prediction: None,
            priority: Priority::Interactive,
            deadline: None,
            // Set by the use-case from who is asking.
            cache_salt: CacheSalt::default(),
        };
        Ok(prompts.into_iter().map(request).collect())
    }
}

/// What is asked of bare texts and of no conversation.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) prompt: EmbeddingsInput,
    pub(crate) suffix: Option<String>,
    pub(crate) n: Option<u32>,
    pub(crate) best_of: Option<u32>,
    pub(crate) echo: bool,
    pub(crate) logprobs: Option<u32>,
}

/// Checks every bound of a request. `ignored` are parameters known to have no effect.
///
/// # Errors
/// 400 with the field at fault.
pub(super) fn validate(
    request: CompletionRequest,
    ignored: Vec<String>,
) -> Result<Validated, ApiError> {
    let asked = Asked {
        prompt: request.prompt,
        suffix: request.suffix,
        n: request.n,
        best_of: request.best_of,
        echo: request.echo.unwrap_or(false),
        logprobs: request.logprobs,
    };
    let common = ChatRequest {
        model: request.model,
        max_tokens: Some(request.max_tokens.unwrap_or(MAX_TOKENS)),
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        min_p: request.min_p,
        typical_p: request.typical_p,
        repetition_penalty: request.repetition_penalty,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        logit_bias: request.logit_bias,
        seed: request.seed,
        stop: request.stop,
        stop_token_ids: request.stop_token_ids,
        min_tokens: request.min_tokens,
        ignore_eos: request.ignore_eos,
        stream: request.stream,
        stream_options: request.stream_options,
        ..ChatRequest::default()
    };
    validate_texts(asked, common, ignored)
}

/// Checks every bound of what is asked of bare texts, in whatever dialect. `common` says what
/// conversations say too; it has no messages.
///
/// # Errors
/// 400 with the field at fault.
pub(crate) fn validate_texts(
    asked: Asked,
    common: ChatRequest,
    mut ignored: Vec<String>,
) -> Result<Validated, ApiError> {
    let given = choices("n", asked.n)?;
    let best_of = choices("best_of", asked.best_of.or(asked.n))?;
    if best_of < given {
        return Err(invalid("best_of", "must not be smaller than `n`"));
    }
    let prompts = prompts(asked.prompt, asked.suffix.is_some())?;
    if prompts.len() * best_of as usize > ANSWERS {
        let message = format!("asks for more than {ANSWERS} answers at once");
        return Err(invalid("prompt", message));
    }
    if asked.suffix.is_some() && !matches!(prompts.as_slice(), [Input::Text(_)]) {
        let message = "what stands before it must be one text";
        return Err(unsupported("suffix", message));
    }
    let top = asked.logprobs;
    if let Some(top) = top.filter(|&top| top > TOP_LOGPROBS) {
        let message = format!("must be between 0 and {TOP_LOGPROBS}, not {top}");
        return Err(invalid("logprobs", message));
    }
    if asked.echo && top.is_some() {
        let message = "the prompt's own tokens are not judged, so leave `echo` out";
        return Err(unsupported("logprobs", message));
    }
    let sampling = sampling::sampling(&common)?;
    let limits = limits(&common, &mut ignored)?;
    let stream = stream(&common, &mut ignored);
    if stream.is_some() && best_of > given {
        let message = "must be `n` in a stream: which answers are best is known at their end";
        return Err(invalid("best_of", message));
    }
    let grammar = response_format::grammar(common.response_format)?;
    let echo = prompts
        .iter()
        .filter(|_| asked.echo)
        .filter_map(|input| match input {
            Input::Text(text) => Some(Echo::Text(text.clone())),
            Input::Tokens(tokens) => Some(Echo::Tokens(tokens.clone())),
            Input::Chat { .. } => None,
        });
    let echo = echo.collect();
    // Which of several answers is best is told by their tokens' probabilities.
    let judged = top.or((best_of > given).then_some(0));
    Ok(Validated {
        model: common.model,
        texts: Texts {
            prompts,
            suffix: asked.suffix,
            grammar,
            sampling,
            limits,
            logprobs: judged.and_then(|top| u8::try_from(top).ok()),
            best_of,
        },
        stream,
        ignored,
        form: Form {
            echo,
            choices: given,
            best_of,
            wants_logprobs: top.is_some(),
        },
    })
}

/// The prompts of a request. A text may be empty where something stands behind it.
fn prompts(prompt: EmbeddingsInput, may_be_empty: bool) -> Result<Vec<Input>, ApiError> {
    let text = |param: &str, text: String| match text.is_empty() && !may_be_empty {
        true => Err(invalid(param, "must not be empty")),
        false => Ok(Input::Text(text)),
    };
    let items = match prompt {
        EmbeddingsInput::Text(one) => return Ok(vec![text("prompt", one)?]),
        EmbeddingsInput::List(items) => items,
    };
    if items.is_empty() {
        return Err(invalid("prompt", "must not be empty"));
    }
    let single_tokens: Option<Vec<u32>> = items
        .iter()
        .map(|item| match item {
            EmbeddingsItem::Token(token) => Some(*token),
            EmbeddingsItem::Text(_) | EmbeddingsItem::Tokens(_) => None,
        })
        .collect();
    if let Some(tokens) = single_tokens {
        return Ok(vec![Input::Tokens(tokens)]);
    }
    let one = |(index, item)| {
        let param = format!("prompt[{index}]");
        match item {
            EmbeddingsItem::Text(one) => text(&param, one),
            EmbeddingsItem::Tokens(tokens) if tokens.is_empty() => {
                Err(invalid(&param, "must not be empty"))
            }
            EmbeddingsItem::Tokens(tokens) => Ok(Input::Tokens(tokens)),
            EmbeddingsItem::Token(_) => Err(invalid(
                &param,
                "is a single token id beside longer prompts",
            )),
        }
    };
    items.into_iter().enumerate().map(one).collect()
}
