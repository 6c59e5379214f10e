//! [`Settings`]: a request's sampling values with every gap filled.

use crate::contract::Sampling;

/// A request's sampling values with every gap filled and every value in its range.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// Mass of the nucleus; 1 keeps all.
    pub top_p: f32,
    /// Number of likeliest tokens kept; 0 keeps all.
    pub top_k: usize,
    /// Least probability relative to the likeliest token's; 0 keeps all.
    pub min_p: f32,
    /// Mass of the typical set; 1 keeps all.
    pub typical_p: f32,
    /// For tokens of prompt and answer; 1 is neutral.
    pub repetition_penalty: f32,
    /// Per occurrence in the answer; 0 is neutral.
    pub frequency_penalty: f32,
    /// For tokens that occur in the answer; 0 is neutral.
    pub presence_penalty: f32,
    /// Added to single tokens.
    pub logit_bias: Vec<(u32, f32)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::resolve(&Sampling::default(), &Sampling::default())
    }
}

/// Below this the division by the temperature overflows for ordinary logits, and one token has
/// all the probability anyway.
const LOWEST_TEMPERATURE: f32 = 1e-5;

impl Settings {
    /// The request's values; where it has none the model's own; where that has none, neutral ones.
    /// The seed is not part of it.
    #[must_use]
    pub fn resolve(request: &Sampling, model: &Sampling) -> Self {
        let number = |requested: Option<f32>, default: Option<f32>, neutral: f32| {
            requested
                .or(default)
                .filter(|value| value.is_finite())
                .unwrap_or(neutral)
        };
        let fraction =
            |requested, default, neutral| number(requested, default, neutral).clamp(0.0, 1.0);
        let temperature = number(request.temperature, model.temperature, 1.0);
        let repetition = number(request.repetition_penalty, model.repetition_penalty, 1.0);
        let bias = match request.logit_bias.is_empty() {
            true => &model.logit_bias,
            false => &request.logit_bias,
        };
        Self {
            temperature: match temperature < LOWEST_TEMPERATURE {
                true => 0.0,
                false => temperature,
            },
            top_p: fraction(request.top_p, model.top_p, 1.0),
            top_k: request.top_k.or(model.top_k).unwrap_or(0) as usize,
            min_p: fraction(request.min_p, model.min_p, 0.0),
            typical_p: fraction(request.typical_p, model.typical_p, 1.0),
            repetition_penalty: match repetition > 0.0 {
                true => repetition,
                false => 1.0,
            },
            frequency_penalty: number(request.frequency_penalty, model.frequency_penalty, 0.0),
            presence_penalty: number(request.presence_penalty, model.presence_penalty, 0.0),
            logit_bias: bias
                .iter()
                .map(|(&token, &bias)| (token, bias))
                .filter(|(_, bias)| !bias.is_nan())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_goes_before_the_model_before_neutral() {
        let request = Sampling {
            temperature: Some(0.5),
            ..Sampling::default()
        };
        let model = Sampling {
            temperature: Some(0.7),
            top_k: Some(20),
            ..Sampling::default()
        };
        let settings = Settings::resolve(&request, &model);
        assert_eq!(
            (settings.temperature, settings.top_k, settings.top_p),
            (0.5, 20, 1.0)
        );
    }

    #[test]
    fn what_is_no_number_is_neutral() {
        let request = Sampling {
            temperature: Some(f32::NAN),
            top_p: Some(f32::INFINITY),
            repetition_penalty: Some(0.0),
            ..Sampling::default()
        };
        assert_eq!(
            Settings::resolve(&request, &Sampling::default()),
            Settings::default()
        );
    }
}
