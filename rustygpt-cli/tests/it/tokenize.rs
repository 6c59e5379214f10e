use crate::command::{Home, shared, tiny_model};

#[test]
fn text_becomes_ids_and_ids_text() {
    let home = Home::new();
    let model = tiny_model("llama/model.gguf");
    let arguments = ["tokenize", "--model", model.to_str().unwrap()];
    let text = "  Hello,\n<|im_start|> wörld\t";
    let ids = home.run_with(&arguments, text.as_bytes());
    let list: Vec<u32> = serde_json::from_str(ids.answer()).unwrap();
    assert!(!list.is_empty());
    assert_eq!(ids.out.lines().count(), 1);
    // 270 is the token <|im_start|>, which a text is never read as; 268 begins a sequence.
    assert!(!list.contains(&270) && !list.contains(&268), "{list:?}");
    let decode = [&arguments[..], &["--decode"]].concat();
    assert_eq!(home.run_with(&decode, ids.out.as_bytes()).answer(), text);
    assert_eq!(home.run_with(&arguments, b"").answer(), "[]\n");
}

#[test]
fn a_file_with_a_vocabulary_only_is_enough() {
    let Some(vocabulary) = shared("vocab/ggml-vocab-qwen2.gguf") else {
        return;
    };
    let records = std::fs::read_to_string(format!("{}.inp", vocabulary.display())).unwrap();
    let expected = std::fs::read_to_string(format!("{}.out", vocabulary.display())).unwrap();
    let home = Home::new();
    let arguments = ["tokenize", "--model", vocabulary.to_str().unwrap()];
    let pairs = records
        .split("\n__ggml_vocab_test__\n")
        .zip(expected.lines());
    for (record, line) in pairs.take(12) {
        let wanted: Vec<u32> = line
            .split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect();
        let ran = home.run_with(&arguments, record.as_bytes());
        let ids: Vec<u32> = serde_json::from_str(ran.answer()).unwrap();
        assert_eq!(ids, wanted, "{record:?}");
    }
}

#[test]
fn openai_s_encodings_are_there() {
    let home = Home::new();
    let encode = ["tokenize", "--encoding", "o200k_base"];
    let ids = home.run_with(&encode, "hello world <|endoftext|>".as_bytes());
    assert!(ids.answer().starts_with("[24912,2375,"), "{ids:?}");
    assert!(
        !ids.out.contains("199999"),
        "special tokens are not parsed: {ids:?}"
    );
    let back = home.run_with(&[&encode[..], &["--decode"]].concat(), ids.out.as_bytes());
    assert_eq!(back.answer(), "hello world <|endoftext|>");
    let ran = home.run_with(&["tokenize", "--encoding", "o900k"], b"");
    assert!(ran.error().contains("o200k_base"), "{ran:?}");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let home = Home::new();
    let model = tiny_model("llama/model.gguf");
    let arguments = ["tokenize", "--model", model.to_str().unwrap()];
    assert!(home.run_with(&arguments, &[0xff]).error().contains("UTF-8"));
    let decode = [&arguments[..], &["--decode"]].concat();
    assert!(home.run_with(&decode, b"[99999]").error().contains("99999"));
    assert!(home.run_with(&decode, b"hello").error().contains("JSON"));
    assert_eq!(home.run(&["tokenize"]).code, Some(2));
}
