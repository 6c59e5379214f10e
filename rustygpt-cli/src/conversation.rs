//! A conversation with a model: one that this process loaded, or one behind a server. Both are
//! read the same way.

use crate::arguments::SamplingArguments;
use crate::network;
use anyhow::{Context as _, Result, bail};
use futures::StreamExt;
use rustygpt_common::openai::{ChatCompletionChunk, ErrorEnvelope, ModelList};
use rustygpt_common::routes;
use rustygpt_common::sse::Parser;
use rustygpt_model::contract::{
    CacheSalt, ContentPart, FinishReason, GenerateRequest, GenerationEvent, Input, Limits, Message,
    Priority, Role, Sampling, TemplateOptions, ToolChoice,
};
use rustygpt_model::engine::{Generation, LoadedModel};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use url::Url;

/// Who answers.
pub(crate) enum Partner {
    /// A model of this process.
    Local(LoadedModel),
    /// A model behind a server.
    Server {
        client: reqwest::Client,
        url: Url,
        key: Option<String>,
        model: String,
    },
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Of the answer itself.
    Text(String),
    /// Of what the model thought before.
    Reasoning(String),
    /// The end; whether the answer was cut because it became too long.
    End { is_cut: bool },
}

/// An answer that is being given. Dropping it stops the model.
pub(crate) enum Answer {
    Local(Generation),
    Server(Box<ServerAnswer>),
}

/// An answer that a server is giving.
pub(crate) struct ServerAnswer {
    response: reqwest::Response,
    parser: Parser,
    pieces: VecDeque<Piece>,
}

/// What is said to a model: a conversation, or bare text to go on with.
pub(crate) enum Prompt<'a> {
    Chat(&'a [Message]),
    Text(String),
}

/// One turn.
pub(crate) fn message(role: Role, text: impl Into<String>) -> Message {
    Message {
        role,
        content: vec![ContentPart::Text(text.into())],
        name: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
    }
}

impl Partner {
    /// A model behind a server: `model`, or the only one it has.
    ///
    /// # Errors
    /// A server that does not answer, refuses the key or has no such model.
    pub(crate) async fn at(url: Url, key: Option<String>, model: Option<String>) -> Result<Self> {
        let client = network::own_server()?;
        let request = client.get(join(&url, routes::MODELS)?);
        let response = authorised(request, key.as_deref())
            .send()
            .await
            .with_context(|| format!("the server at {url} does not answer"))?;
        let list: ModelList = read(response).await?;
        let mut ids: Vec<String> = list.data.into_iter().map(|model| model.id).collect();
        let model = match model {
            Some(name) if ids.contains(&name) => name,
            Some(name) => bail!(
                "the server has no model '{name}'; it has: {}",
                ids.join(", ")
            ),
            None if ids.len() == 1 => ids.remove(0),
            None if ids.is_empty() => bail!("the server at {url} has no model loaded"),
            None => bail!("choose one of the server's models: {}", ids.join(", ")),
        };
        Ok(Self::Server {
            client,
            url,
            key,
            model,
        })
    }

    /// The model's id.
    pub(crate) fn model(&self) -> &str {
        match self {
            Self::Local(model) => &model.description().id,
            Self::Server { model, .. } => model,
        }
    }

    /// Asks. `max_tokens` bounds the answer.
    ///
    /// # Errors
    /// Whatever refuses the request.
    pub(crate) async fn ask(
        &self,
        prompt: Prompt<'_>,
        sampling: &SamplingArguments,
        max_tokens: u32,
    ) -> Result<Answer> {
        match self {
            Self::Local(model) => {
                let request = request(prompt, sampling, max_tokens);
                Ok(Answer::Local(model.admit(request).await?))
            }
            Self::Server {
                client,
                url,
                key,
                model,
            } => {
                let Prompt::Chat(messages) = prompt else {
                    bail!("bare text can be continued by a model of this process only");
                };
                let body = body(model, messages, sampling, max_tokens);
                let request = client
                    .post(join(url, routes::CHAT_COMPLETIONS)?)
                    .json(&body);
                let response = authorised(request, key.as_deref()).send().await;
                let response =
                    response.with_context(|| format!("the server at {url} went away"))?;
                if !response.status().is_success() {
                    return Err(refusal(response).await);
                }
                Ok(Answer::Server(Box::new(ServerAnswer {
                    response,
                    parser: Parser::default(),
                    pieces: VecDeque::new(),
                })))
            }
        }
    }
}

impl Answer {
    /// The next piece; after [`Piece::End`] there is none.
    ///
    /// # Errors
    /// The model or the connection failed.
    pub(crate) async fn next(&mut self) -> Result<Piece> {
        match self {
            Self::Local(generation) => loop {
                match generation.next().await {
                    Some(GenerationEvent::Text { text, .. }) => return Ok(Piece::Text(text)),
                    Some(GenerationEvent::Reasoning { text, .. }) => {
                        return Ok(Piece::Reasoning(text));
                    }
                    Some(GenerationEvent::Finish { reason, .. }) => {
                        return Ok(Piece::End {
                            is_cut: reason == FinishReason::Length,
                        });
                    }
                    Some(GenerationEvent::Failed { message }) => bail!(message),
                    Some(_) => {}
                    None => bail!("the answer ended without an end"),
                }
            },
            Self::Server(answer) => answer.next().await,
        }
    }
}

impl ServerAnswer {
    async fn next(&mut self) -> Result<Piece> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(piece);
            }
            let bytes = self.response.chunk().await;
            let Some(bytes) = bytes.context("the connection to the server broke")? else {
                bail!("the server ended the answer without an end");
            };
            for event in self.parser.push(&bytes)? {
                self.pieces.extend(server_pieces(&event.data)?);
            }
        }
    }
}

/// The pieces in one event of a server's stream.
fn server_pieces(data: &str) -> Result<Vec<Piece>> {
    if data == "[DONE]" {
        return Ok(Vec::new());
    }
    if let Ok(envelope) = serde_json::from_str::<ErrorEnvelope>(data) {
        bail!(envelope.error.message);
    }
    let chunk: ChatCompletionChunk =
        serde_json::from_str(data).context("the server's stream is no chat completion")?;
    let mut pieces = Vec::new();
    for choice in chunk.choices {
        pieces.extend(choice.delta.reasoning_content.map(Piece::Reasoning));
        pieces.extend(
            choice
                .delta
                .content
                .filter(|text| !text.is_empty())
                .map(Piece::Text),
        );
        let end = choice.finish_reason.map(|reason| Piece::End {
            is_cut: reason == "length",
        });
        pieces.extend(end);
    }
    Ok(pieces)
}

fn request(prompt: Prompt<'_>, sampling: &SamplingArguments, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        input: match prompt {
            Prompt::Chat(messages) => Input::Chat {
                messages: messages.to_vec(),
                tools: Vec::new(),
                tool_choice: ToolChoice::None,
                allows_parallel_calls: true,
                template: TemplateOptions::default(),
            },
            Prompt::Text(text) => Input::Text(text),
        },
        grammar: None,
        sampling: Sampling {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            top_k: sampling.top_k,
            min_p: sampling.min_p,
            typical_p: None,
            repetition_penalty: sampling.repetition_penalty,
            frequency_penalty: None,
            presence_penalty: None,
            logit_bias: BTreeMap::new(),
            seed: sampling.seed,
        },
        limits: Limits {
            max_tokens: Some(max_tokens),
            stop: sampling.stop.clone(),
            ..Limits::default()
        },
        choices: 1,
        logprobs: None,
        prediction: None,
        priority: Priority::Interactive,
        deadline: None,
        cache_salt: CacheSalt::default(),
    }
}

/// The same request as the OpenAI API takes it.
fn body(model: &str, messages: &[Message], sampling: &SamplingArguments, max_tokens: u32) -> Value {
    let text = |message: &Message| -> String {
        let parts = message.content.iter().map(|part| match part {
            ContentPart::Text(text) => text.as_str(),
            _ => "",
        });
        parts.collect()
    };
    let messages = messages
        .iter()
        .map(|message| json!({ "role": message.role.as_str(), "content": text(message) }))
        .collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), Value::Array(messages));
    body.insert("stream".to_owned(), json!(true));
    body.insert("max_tokens".to_owned(), json!(max_tokens));
    let optional = [
        (
            "temperature",
            sampling.temperature.map(|value| json!(value)),
        ),
        ("top_p", sampling.top_p.map(|value| json!(value))),
        ("top_k", sampling.top_k.map(|value| json!(value))),
        ("min_p", sampling.min_p.map(|value| json!(value))),
        (
            "repetition_penalty",
            sampling.repetition_penalty.map(|value| json!(value)),
        ),
        ("seed", sampling.seed.map(|value| json!(value))),
        (
            "stop",
            (!sampling.stop.is_empty()).then(|| json!(sampling.stop)),
        ),
    ];
    for (name, value) in optional {
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(body)
}

fn join(url: &Url, route: &str) -> Result<Url> {
    // A person may give the address with or without the API's path.
    let base = url.as_str().trim_end_matches('/').trim_end_matches("/v1");
    Ok(Url::parse(&format!("{base}{route}"))?)
}

fn authorised(request: reqwest::RequestBuilder, key: Option<&str>) -> reqwest::RequestBuilder {
    match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    }
}

async fn read<T: serde::de::DeserializeOwned>(response: reqwest::Response) -> Result<T> {
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    response
        .json()
        .await
        .context("the server's answer is not OpenAI's")
}

async fn refusal(response: reqwest::Response) -> anyhow::Error {
    let status = response.status();
    match response.json::<ErrorEnvelope>().await {
        Ok(envelope) => anyhow::anyhow!(envelope.error.message),
        Err(_) => anyhow::anyhow!("the server answers {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustygpt_model::scripted::{Script, scripted_model};

    #[tokio::test]
    async fn a_local_model_answers_in_pieces_and_ends() {
        let partner =
            Partner::Local(scripted_model("tiny", Script::answering("Hello, Ada!")).unwrap());
        let messages = [message(Role::User, "Hi")];
        let sampling = SamplingArguments::default();
        let answer = async |max_tokens| {
            let mut answer = partner
                .ask(Prompt::Chat(&messages), &sampling, max_tokens)
                .await
                .unwrap();
            let mut text = String::new();
            loop {
                match answer.next().await.unwrap() {
                    Piece::Text(piece) => text.push_str(&piece),
                    Piece::Reasoning(_) => {}
                    Piece::End { is_cut } => return (text, is_cut),
                }
            }
        };
        assert_eq!(answer(100).await, ("Hello, Ada!".to_owned(), false));
        assert_eq!(answer(5).await, ("Hello".to_owned(), true));
    }

    #[test]
    fn a_servers_events_become_pieces() {
        let chunk = |delta: Value, reason: Value| {
            let choice =
                json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason });
            json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [choice], "system_fingerprint": null, "service_tier": null
            })
            .to_string()
        };
        let text = server_pieces(&chunk(json!({ "content": "Hi" }), Value::Null)).unwrap();
        assert_eq!(text, [Piece::Text("Hi".to_owned())]);
        let end = server_pieces(&chunk(json!({}), json!("length"))).unwrap();
        assert_eq!(end, [Piece::End { is_cut: true }]);
        assert_eq!(server_pieces("[DONE]").unwrap(), []);
        let error =
            r#"{"error":{"message":"out of luck","type":"server_error","param":null,"code":null}}"#;
        assert_eq!(server_pieces(error).unwrap_err().to_string(), "out of luck");
    }

    #[test]
    fn addresses_work_with_and_without_the_apis_path() {
        for base in [
            "http://h:1",
            "http://h:1/",
            "http://h:1/v1",
            "http://h:1/v1/",
        ] {
            let joined = join(&base.parse().unwrap(), routes::MODELS).unwrap();
            assert_eq!(joined.as_str(), "http://h:1/v1/models");
        }
    }
}
