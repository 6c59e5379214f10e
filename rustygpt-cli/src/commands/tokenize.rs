//! `rustygpt tokenize`: text to token ids and back.

use crate::arguments::TokenizeArguments;
use crate::{compose, output};
use anyhow::{Context as _, Result, bail};
use rustygpt_model::tokenizer::Tokenizer;
use rustygpt_model::weights::ModelFiles;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use tiktoken_rs::CoreBPE;

/// What turns text into ids: a model's own tokenizer or one of OpenAI's.
enum Vocabulary {
    Model(Box<Tokenizer>),
    Encoding(&'static CoreBPE),
}

pub(crate) fn run(arguments: &TokenizeArguments) -> Result<ExitCode> {
    let vocabulary = match (&arguments.model, &arguments.encoding) {
        (Some(path), _) => {
            Vocabulary::Model(Box::new(compose::tokenizer(&ModelFiles::open(path)?)?))
        }
        (None, Some(name)) => Vocabulary::Encoding(encoding(name)?),
        (None, None) => bail!("give --model or --encoding"),
    };
    let mut input = Vec::new();
    io::stdin()
        .read_to_end(&mut input)
        .context("cannot read standard input")?;
    let mut out = output::stdout();
    if arguments.decode {
        let ids: Vec<u32> = serde_json::from_slice(&input)
            .context("standard input is no JSON array of token ids")?;
        out.write_all(&vocabulary.decode(&ids)?)?;
    } else {
        let text = std::str::from_utf8(&input).context("standard input is not UTF-8")?;
        writeln!(out, "{}", serde_json::to_string(&vocabulary.encode(text))?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn encoding(name: &str) -> Result<&'static CoreBPE> {
    Ok(match name {
        "o200k_base" => tiktoken_rs::o200k_base_singleton(),
        "o200k_harmony" => tiktoken_rs::o200k_harmony_singleton(),
        "cl100k_base" => tiktoken_rs::cl100k_base_singleton(),
        "p50k_base" => tiktoken_rs::p50k_base_singleton(),
        "r50k_base" => tiktoken_rs::r50k_base_singleton(),
        _ => bail!(
            "'{name}' is none of: o200k_base, o200k_harmony, cl100k_base, p50k_base, r50k_base"
        ),
    })
}

impl Vocabulary {
    fn encode(&self, text: &str) -> Vec<u32> {
        match self {
            Self::Model(tokenizer) => tokenizer.encode(text),
            Self::Encoding(encoding) => encoding.encode_ordinary(text),
        }
    }

    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        match self {
            Self::Model(tokenizer) => {
                let size = tokenizer.vocabulary_size();
                if let Some(id) = ids.iter().find(|id| **id as usize >= size) {
                    bail!("the vocabulary has {size} tokens, so there is no token {id}");
                }
                Ok(tokenizer.decode(ids).into_bytes())
            }
            Self::Encoding(encoding) => Ok(encoding.decode_bytes(ids)?),
        }
    }
}
