//! How the next token is chosen.

use super::invalid;
use crate::error::ApiError;
use rustygpt_common::openai::ChatRequest;
use rustygpt_model::contract::Sampling;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

const LOGIT_BIASES: usize = 1024;

pub(in crate::v1) fn sampling(request: &ChatRequest) -> Result<Sampling, ApiError> {
    let penalty = -2.0..=2.0;
    Ok(Sampling {
        temperature: within("temperature", request.temperature, 0.0..=2.0)?,
        top_p: positive(within("top_p", request.top_p, 0.0..=1.0)?),
        top_k: top_k(request.top_k)?,
        min_p: within("min_p", request.min_p, 0.0..=1.0)?,
        typical_p: positive(within("typical_p", request.typical_p, 0.0..=1.0)?),
        repetition_penalty: repetition_penalty(request.repetition_penalty)?,
        frequency_penalty: within(
            "frequency_penalty",
            request.frequency_penalty,
            penalty.clone(),
        )?,
        presence_penalty: within("presence_penalty", request.presence_penalty, penalty)?,
        logit_bias: logit_bias(request.logit_bias.as_ref())?,
        // Any whole number is a seed; its bits are what counts.
        seed: request.seed.map(i64::cast_unsigned),
    })
}

fn within(
    param: &str,
    value: Option<f64>,
    range: RangeInclusive<f64>,
) -> Result<Option<f32>, ApiError> {
    match value {
        // `contains` is false for what is not a number.
        Some(number) if !range.contains(&number) => {
            let (least, most) = range.into_inner();
            Err(invalid(
                param,
                format!("must be between {least} and {most}, not {number}"),
            ))
        }
        number => Ok(number.map(|number| number as f32)),
    }
}

/// A share of nothing means the likeliest token alone: so does the least share there is.
fn positive(share: Option<f32>) -> Option<f32> {
    share.map(|share| share.max(f32::MIN_POSITIVE))
}

fn top_k(value: Option<i32>) -> Result<Option<u32>, ApiError> {
    match value {
        None => Ok(None),
        // As vLLM's clients write "all".
        Some(-1) => Ok(Some(0)),
        Some(count) => match u32::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(invalid(
                "top_k",
                "must be a number of tokens, or -1 or 0 for all",
            )),
        },
    }
}

fn repetition_penalty(value: Option<f64>) -> Result<Option<f32>, ApiError> {
    // Beyond ten the distribution is already destroyed; zero would divide by it.
    let penalty = within("repetition_penalty", value, 0.0..=10.0)?;
    if penalty.is_some_and(|penalty| penalty < 0.01) {
        return Err(invalid("repetition_penalty", "must be at least 0.01"));
    }
    Ok(penalty)
}

fn logit_bias(biases: Option<&BTreeMap<String, f64>>) -> Result<BTreeMap<u32, f32>, ApiError> {
    let Some(biases) = biases else {
        return Ok(BTreeMap::new());
    };
    if biases.len() > LOGIT_BIASES {
        let message = format!(
            "must have at most {LOGIT_BIASES} entries, not {}",
            biases.len()
        );
        return Err(invalid("logit_bias", message));
    }
    let read = |(token, &bias): (&String, &f64)| {
        let token: u32 = token
            .parse()
            .map_err(|_| invalid("logit_bias", "must have token ids as keys"))?;
        let param = format!("logit_bias.{token}");
        let bias = within(&param, Some(bias), -100.0..=100.0)?;
        Ok((token, bias.unwrap_or_default()))
    };
    biases.iter().map(read).collect()
}
