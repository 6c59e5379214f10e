use crate::command::{Home, tiny_model};
use std::time::{Duration, Instant};

const REQUEST: &str = r#"{
    "messages": [{"role": "user", "content": "Is 1 < 2 & 2 > 1?"}],
    "bos_token": "<s>", "eos_token": "</s>"
}"#;

#[test]
fn the_prompt_and_nothing_else_is_printed() {
    let home = Home::new();
    let source = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}\
                  {% endfor %}{% if add_generation_prompt %}>{% endif %}";
    let template = home.write("a.jinja", source);
    let request = home.write("request.json", REQUEST);
    let (template, request) = (template.to_str().unwrap(), request.to_str().unwrap());
    let ran = home.run(&["template", "--template", template, "--request", request]);
    assert_eq!(ran.answer(), "<s>[user]Is 1 < 2 & 2 > 1?</s>>");
}

#[test]
fn a_model_s_own_template_is_used() {
    let home = Home::new();
    let request = home.write("request.json", REQUEST);
    for model in ["llama", "llama/model.gguf"] {
        let model = tiny_model(model);
        let arguments = [
            "template",
            "--model",
            model.to_str().unwrap(),
            "--request",
            request.to_str().unwrap(),
        ];
        let expected = "<|im_start|>user\nIs 1 < 2 & 2 > 1?<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(home.run(&arguments).answer(), expected);
    }
}

#[test]
fn a_hostile_template_ends_soon_with_one_line() {
    let home = Home::new();
    let request = home.write("request.json", REQUEST);
    for (name, source) in [
        (
            "loop",
            "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
        ),
        (
            "double",
            "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}\
                    {% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        ),
        ("syntax", "{% if %}"),
        ("refusal", "{{ raise_exception('only two roles, please') }}"),
    ] {
        let template = home.write(name, source);
        let started = Instant::now();
        let arguments = [
            "template",
            "--template",
            template.to_str().unwrap(),
            "--request",
            request.to_str().unwrap(),
        ];
        let ran = home.run(&arguments);
        assert!(ran.error().contains("template"), "{name}: {ran:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{name}");
        assert_eq!(ran.out, "");
        if name == "refusal" {
            assert!(ran.error().contains("only two roles, please"), "{ran:?}");
        }
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let home = Home::new();
    let template = home.write("a.jinja", "x");
    let bad = home.write("bad.json", "{");
    let run = |template: &std::path::Path, request: &std::path::Path| {
        home.run(&[
            "template".as_ref(),
            "--template".as_ref(),
            template.as_os_str(),
            "--request".as_ref(),
            request.as_os_str(),
        ])
    };
    assert!(run(&template, &bad).error().contains("bad.json"));
    assert!(
        run(&home.path("none.jinja"), &bad)
            .error()
            .contains("bad.json")
    );
    let good = home.write("good.json", REQUEST);
    assert!(
        run(&home.path("none.jinja"), &good)
            .error()
            .contains("none.jinja")
    );
}
