use crate::command::{Home, Ran, tiny_model};

fn run(home: &Home, model: &str, more: &[&str]) -> Ran {
    home.run(&[&["run", model, "Hello", "--max-tokens", "16"], more].concat())
}

#[test]
fn a_prompt_is_answered_and_a_seed_repeats_it() {
    let home = Home::new();
    let model = tiny_model("llama/model.gguf");
    let model = model.to_str().unwrap();
    let hot = ["--temperature", "1.5", "--seed", "7"];
    let first = run(&home, model, &hot);
    assert!(first.answer().trim().len() > 4, "{first:?}");
    assert_eq!(run(&home, model, &hot).answer(), first.answer());
    let other = run(&home, model, &["--temperature", "1.5", "--seed", "8"]);
    assert_ne!(other.answer(), first.answer());
    let greedy = run(&home, model, &["--temperature", "0", "--threads", "1"]);
    assert_eq!(
        run(&home, model, &["--top-k", "1"]).answer(),
        greedy.answer()
    );
}

#[test]
fn a_directory_of_safetensors_answers_as_its_gguf_twin() {
    let home = Home::new();
    let (twin, directory) = (tiny_model("qwen3/model.gguf"), tiny_model("qwen3"));
    let greedy = ["--temperature", "0", "--system", "Be brief."];
    let from_gguf = run(&home, twin.to_str().unwrap(), &greedy);
    assert_eq!(
        run(&home, directory.to_str().unwrap(), &greedy).answer(),
        from_gguf.answer()
    );
}

#[test]
fn a_model_in_the_folder_is_found_by_its_id() {
    let home = Home::new();
    let models = home.data().join("models/org/name");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::copy(tiny_model("phi3/model.gguf"), models.join("little.gguf")).unwrap();
    run(&home, "little", &[]).answer();
    let ran = run(&home, "large", &[]);
    assert!(
        ran.error().contains("'large'") && ran.error().contains("little"),
        "{ran:?}"
    );
}

#[test]
fn a_bad_file_ends_with_one_line_that_names_it() {
    let home = Home::new();
    let whole = std::fs::read(tiny_model("llama/model.gguf")).unwrap();
    let mut flipped = whole.clone();
    flipped[4] = 0xff;
    for (name, content) in [
        ("empty.gguf", &b""[..]),
        ("text.gguf", b"This is no model.".as_slice()),
        ("half.gguf", &whole[..whole.len() / 2]),
        ("head.gguf", &whole[..40]),
        ("version.gguf", &flipped),
    ] {
        let path = home.write(name, content);
        let ran = run(&home, path.to_str().unwrap(), &[]);
        assert!(ran.error().contains(name), "{ran:?}");
        assert_eq!(ran.err.trim_end().lines().count(), 1, "{ran:?}");
        assert_eq!(ran.out, "");
    }
    let ran = run(&home, "none.gguf", &[]);
    assert!(ran.error().contains("none.gguf"), "{ran:?}");
    std::fs::create_dir(home.path("folder")).unwrap();
    assert!(run(&home, "folder", &[]).error().contains("folder"));
}

#[test]
fn a_prompt_too_long_is_refused_not_cut() {
    let home = Home::new();
    let model = tiny_model("llama/model.gguf");
    let prompt = "many words ".repeat(500);
    let ran = home.run(&["run", model.to_str().unwrap(), &prompt]);
    assert!(
        ran.error().contains("maximum context length is 1024"),
        "{ran:?}"
    );
}

#[test]
fn values_out_of_bounds_are_refused_at_once() {
    let ran = Home::new().run(&["run", "any", "Hello", "--temperature", "3"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("from 0 to 2"), "{ran:?}");
}
