//! A file that shrinks while it is mapped ends a request, not the process.

use super::gguf_builder::Gguf;
use rustygpt_model::weights::ModelFiles;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

const LENGTH: usize = 4 << 20;

fn model() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    let file = Gguf::new()
        .tensor("a", &[LENGTH as u64 / 8])
        .tensor("b", &[LENGTH as u64 / 8]);
    std::fs::write(&path, file.bytes()).unwrap();
    (folder, path)
}

fn truncate(path: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}

#[cfg(unix)]
#[test]
fn pages_that_vanish_read_as_zeros_and_the_model_is_lost() {
    let (_folder, path) = model();
    let (_other_folder, other) = model();
    let files = ModelFiles::open(&path).unwrap();
    let others = ModelFiles::open(&other).unwrap();
    let [a, b] = ["a", "b"].map(|name| files.bytes(files.tensor(name).unwrap()).unwrap());
    let whole = sum(a);
    truncate(&path, 8192);
    let threads = 8;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                assert!(sum(a) < whole);
                assert_eq!(sum(b), 0);
            });
        }
    });
    assert!(!files.is_intact());
    let refused = files.bytes(files.tensor("a").unwrap()).unwrap_err();
    assert!(refused.to_string().contains("truncated"), "{refused}");
    // The file growing back does not bring its contents back.
    truncate(&path, 2 * LENGTH as u64);
    assert!(!files.is_intact());
    // Another model is none the worse.
    assert!(others.is_intact());
    assert_eq!(
        sum(others.bytes(others.tensor("a").unwrap()).unwrap()),
        whole
    );
}

#[cfg(unix)]
#[test]
fn a_loss_inside_the_last_page_is_noticed_too() {
    let (_folder, path) = model();
    let files = ModelFiles::open(&path).unwrap();
    let length = std::fs::metadata(&path).unwrap().len();
    truncate(&path, length - 1);
    assert!(!files.is_intact());
}

#[cfg(unix)]
#[test]
fn a_file_replaced_by_a_new_one_stays_as_it_was() {
    let (folder, path) = model();
    let files = ModelFiles::open(&path).unwrap();
    let new = folder.path().join("new");
    std::fs::write(&new, "short").unwrap();
    std::fs::rename(&new, &path).unwrap();
    assert!(files.is_intact());
    assert!(sum(files.bytes(files.tensor("b").unwrap()).unwrap()) > 0);
}
