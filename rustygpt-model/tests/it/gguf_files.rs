//! GGUF files on disk: contents, split sets, real vocabularies.

use super::fixtures;
use super::gguf_builder::{Gguf, kind, tiny};
use rustygpt_model::contract::ModelError;
use rustygpt_model::weights::{ElementType, ModelFiles, Source};
use std::path::Path;

fn refusal(path: &Path) -> String {
    match ModelFiles::open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn tensors_metadata_and_bytes_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, tiny().tensor("b", &[3]).bytes()).unwrap();
    let files = ModelFiles::open(&path).unwrap();
    let Source::Gguf(metadata) = files.source() else {
        panic!("not GGUF");
    };
    assert_eq!(metadata.string("general.name"), Some("Tiny"));
    assert_eq!(metadata.unsigned("llama.context_length"), Some(128));
    let tensor = files.tensor("token_embd.weight").unwrap();
    // The file says 8, then 4: rows of 8.
    assert_eq!(
        (tensor.shape.as_slice(), tensor.byte_length),
        (&[4, 8][..], 128)
    );
    assert_eq!(tensor.element_type, ElementType::F32);
    let counting: Vec<u8> = (0..140).collect();
    assert_eq!(files.bytes(tensor).unwrap(), &counting[..128]);
    assert_eq!(
        files.bytes(files.tensor("b").unwrap()).unwrap(),
        &counting[128..]
    );
    assert!(files.tensor("c").is_none());
    assert!(files.is_intact());
}

#[test]
fn what_is_no_model_is_named_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    assert!(matches!(
        ModelFiles::open(&path),
        Err(ModelError::Unreadable { .. })
    ));
    std::fs::write(&path, "").unwrap();
    let message = refusal(&path);
    assert!(
        message.starts_with(&path.display().to_string()),
        "{message}"
    );
    assert!(!message.contains('\n'));
    assert!(
        refusal(folder.path()).contains("several") || refusal(folder.path()).contains("x.gguf")
    );
    std::fs::remove_file(&path).unwrap();
    assert!(refusal(folder.path()).contains("no model"));
}

#[cfg(unix)]
#[test]
fn devices_are_refused_and_not_waited_for() {
    assert!(refusal(Path::new("/dev/zero")).contains("regular file"));
}

/// Part `number` of `count`, with one tensor.
fn part(number: u16, count: u16, tensors: i32) -> Gguf {
    Gguf::new()
        .text("general.architecture", "llama")
        .entry("split.no", kind::U16, &number.to_le_bytes())
        .entry("split.count", kind::U16, &count.to_le_bytes())
        .entry("split.tensors.count", kind::I32, &tensors.to_le_bytes())
        .tensor(&format!("t{number}"), &[4])
}

#[test]
fn a_split_model_opens_by_any_of_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number| folder.path().join(format!("big-{number:05}-of-00003.gguf"));
    for number in 0..3_u16 {
        std::fs::write(path(number + 1), part(number, 3, 3).bytes()).unwrap();
    }
    for number in 1..=3 {
        let files = ModelFiles::open(&path(number)).unwrap();
        assert_eq!(files.path(), path(1));
        let names: Vec<&str> = files.tensors().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, ["t0", "t1", "t2"]);
        for tensor in files.tensors() {
            assert_eq!(files.bytes(tensor).unwrap(), (0..16).collect::<Vec<u8>>());
        }
    }
    // The folder holds one model.
    assert_eq!(ModelFiles::open(folder.path()).unwrap().tensors().len(), 3);
}

#[test]
fn broken_sets_of_parts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number| folder.path().join(format!("big-{number:05}-of-00002.gguf"));
    let write = |number, file: Gguf| std::fs::write(path(number), file.bytes()).unwrap();
    write(1, part(0, 2, 2));
    assert!(refusal(&path(1)).contains("part 2 of 2 of this model is missing"));
    write(2, part(0, 2, 2));
    assert!(refusal(&path(1)).contains("not part 2 of 2"));
    write(2, part(1, 3, 2));
    assert!(refusal(&path(1)).contains("not part 2 of 2"));
    write(2, tiny());
    assert!(refusal(&path(1)).contains("not part 2 of 2"));
    write(2, part(1, 2, 2).tensor("t0", &[4]));
    assert!(refusal(&path(1)).contains("3 tensors where 2"));
    let twice = part(1, 2, 3).tensor("t0", &[4]);
    write(1, part(0, 2, 3));
    write(2, twice);
    assert!(refusal(&path(1)).contains("also in another part"));
    let renamed = folder.path().join("renamed.gguf");
    std::fs::copy(path(2), &renamed).unwrap();
    assert!(refusal(&renamed).contains("-00002-of-00002.gguf"));
    write(1, part(5, 2, 2));
    assert!(refusal(&path(1)).contains("split.no"));
}

#[test]
fn metadata_beyond_the_budget_are_refused_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greedy.gguf");
    // 30 million empty strings: 240 MB of zeros in the file, which cost nothing in a sparse one,
    // and three times that in memory.
    let count = 30_000_000_u64;
    let value = super::gguf_builder::array(kind::STRING, count, &[]);
    let head = Gguf::new().entry("x", kind::ARRAY, &value).bytes();
    let file = std::fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut &file, &head).unwrap();
    file.set_len(head.len() as u64 + count * 8).unwrap();
    assert!(refusal(&path).contains("512 MiB"));
}

#[test]
fn the_vocabularies_of_llama_cpp_are_read() {
    let Some(folder) = fixtures::shared("vocab") else {
        return;
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        let files = ModelFiles::open(&path).unwrap();
        let Source::Gguf(metadata) = files.source() else {
            panic!("not GGUF");
        };
        let tokens = metadata.strings("tokenizer.ggml.tokens").unwrap();
        assert!(tokens.len() > 20_000, "{}", path.display());
        assert_eq!(files.tensors().len(), 0);
        seen += 1;
    }
    assert!(seen > 0);
}
