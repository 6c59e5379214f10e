//! A chat template and a request, divided by the first NUL: whatever they are, the prompt is
//! rendered or refused. Templates that only eat memory are the helper process's business, not this
//! target's: run it with the fuzzer's own memory limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustygpt_model::prompt::{ChatTemplate, RenderRequest};

/// Steps of a rendering: enough to reach everything, few enough to try many.
const STEPS: u64 = 20_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (source, request) = text.split_once('\0').unwrap_or((text, "{}"));
    let request = serde_json::from_str(request).unwrap_or_default();
    let request = RenderRequest::from_openai_json(&request).unwrap_or_else(|_| RenderRequest {
        messages: vec![serde_json::json!({ "role": "user", "content": "Hi" })],
        adapts_messages: true,
        ..RenderRequest::default()
    });
    if let Ok(template) = ChatTemplate::from_source(source, Some("<s>".to_owned()), None) {
        let _ = template.render_within(&request, STEPS);
    }
});
