//! Log-probabilities as `/v1/completions` writes them: lists side by side.

use crate::v1::chat_completions::wire::finite;
use rustygpt_common::openai::CompletionLogprobs;
use rustygpt_model::contract::TokenLogprob;

/// Writes tokens with their log-probabilities. `offset` is where the first one begins in its answer,
/// in characters, and becomes where the next one will.
pub(super) fn written(tokens: Vec<TokenLogprob>, offset: &mut u64) -> CompletionLogprobs {
    let mut lists = CompletionLogprobs::default();
    for token in tokens {
        lists.tokens.push(name(&token.bytes));
        lists.token_logprobs.push(finite(token.logprob));
        let top = token.top.iter();
        let top = top.map(|top| (name(&top.bytes), finite(top.logprob)));
        lists.top_logprobs.push(top.collect());
        lists.text_offset.push(*offset);
        *offset += characters(&token.bytes);
    }
    lists
}

/// A token's text, or its bytes where they are no whole characters.
fn name(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let bytes = bytes.iter().map(|byte| format!("\\x{byte:02x}"));
            format!("bytes:{}", bytes.collect::<String>())
        }
    }
}

/// How many characters begin in these bytes.
fn characters(bytes: &[u8]) -> u64 {
    let begins = |&&byte: &&u8| byte & 0b1100_0000 != 0b1000_0000;
    bytes.iter().filter(begins).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustygpt_model::contract::TopLogprob;

    fn token(bytes: &[u8], logprob: f32) -> TokenLogprob {
        TokenLogprob {
            id: 0,
            bytes: bytes.to_vec(),
            logprob,
            top: vec![TopLogprob {
                id: 0,
                bytes: bytes.to_vec(),
                logprob,
            }],
        }
    }

    #[test]
    fn half_characters_are_written_as_bytes_and_begin_one() {
        let euro = "€".as_bytes();
        let tokens = vec![
            token(b"a", -0.5),
            token(&euro[..2], f32::NEG_INFINITY),
            token(&euro[2..], 0.0),
            token(b"b", 0.0),
        ];
        let mut offset = 3;
        let lists = written(tokens, &mut offset);
        assert_eq!(lists.tokens, ["a", "bytes:\\xe2\\x82", "bytes:\\xac", "b"]);
        assert_eq!(lists.token_logprobs, [-0.5, -9999.0, 0.0, 0.0]);
        assert_eq!(lists.text_offset, [3, 4, 5, 5]);
        assert_eq!(lists.top_logprobs[0]["a"], -0.5);
        assert_eq!(offset, 6);
    }
}
