//! The engine of models that embed, on a model that counts.

use super::*;
use crate::contract::{ForwardError, ModelKind, Pooling};
use std::path::PathBuf;
use std::sync::Mutex;

/// A model whose vector of a text is `(its tokens' sum, its length)`; it notes every pass, and
/// waits before each until it may go on.
struct Counting {
    passes: Arc<Mutex<Vec<Vec<usize>>>>,
    go: Option<mpsc::Receiver<()>>,
}

impl Embed for Counting {
    fn shape(&self) -> EmbeddingShape {
        EmbeddingShape {
            vocabulary: 300,
            context_length: 10,
            dimensions: 2,
        }
    }

    fn embed(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, ForwardError> {
        if let Some(go) = &self.go {
            go.recv().unwrap();
        }
        let lengths = texts.iter().map(|text| text.len()).collect();
        self.passes.lock().unwrap().push(lengths);
        if texts.iter().any(|text| text.contains(&13)) {
            return Err(ForwardError::InvalidPlan("thirteen".to_owned()));
        }
        let vector = |text: &&[u32]| vec![text.iter().sum::<u32>() as f32, text.len() as f32];
        Ok(texts.iter().map(vector).collect())
    }
}

struct Bench {
    model: EmbeddingModel,
    passes: Arc<Mutex<Vec<Vec<usize>>>>,
    go: Option<mpsc::Sender<()>>,
}

fn bench(is_gated: bool, queue_limit: usize) -> Bench {
    let passes = Arc::default();
    let (sender, receiver) = mpsc::channel();
    let (go, gate) = match is_gated {
        true => (Some(sender), Some(receiver)),
        false => (None, None),
    };
    let model = Counting {
        passes: Arc::clone(&passes),
        go: gate,
    };
    let description = ModelDescription {
        id: "counting".to_owned(),
        path: PathBuf::from("counting"),
        kind: ModelKind::Embedding {
            dimensions: 2,
            pooling: Pooling::Mean,
        },
        architecture: "counting".to_owned(),
        quantization: "none".to_owned(),
        parameters: 0,
        weight_bytes: 0,
        trained_context_length: 10,
        context_length: 10,
        vocabulary: 300,
        has_chat_template: false,
        defaults: crate::contract::GenerationDefaults::default(),
    };
    let model = EmbeddingModel::start(EmbeddingParts {
        description,
        model: Box::new(model),
        tokenizer: Arc::new(Tokenizer::bytes()),
        options: EmbeddingOptions {
            slots: 1,
            queue_limit,
            step_tokens: 8,
            ..EmbeddingOptions::default()
        },
    })
    .unwrap();
    Bench { model, passes, go }
}

fn tokens(texts: &[&[u32]]) -> EmbeddingRequest {
    EmbeddingRequest {
        inputs: texts
            .iter()
            .map(|text| EmbeddingInput::Tokens(text.to_vec()))
            .collect(),
        dimensions: None,
    }
}

#[tokio::test]
async fn vectors_come_in_the_order_of_the_request_and_have_length_1() {
    let Bench { model, passes, .. } = bench(false, 1);
    let request = tokens(&[&[3], &[1, 1, 1, 1, 1, 1, 1], &[2, 2]]);
    let embeddings = model.embed(request).await.unwrap();
    assert_eq!(embeddings.prompt_tokens, 10);
    for (vector, [x, y]) in embeddings
        .vectors
        .iter()
        .zip([[3.0, 1.0], [7.0, 7.0], [4.0, 2.0]])
    {
        let length = f32::hypot(x, y);
        assert!((vector[0] - x / length).abs() < 1e-6 && (vector[1] - y / length).abs() < 1e-6);
    }
    assert_eq!(*passes.lock().unwrap(), [vec![7], vec![2, 1]]);
}

#[tokio::test]
async fn fewer_dimensions_are_the_first_ones_made_to_length_1() {
    let Bench { model, .. } = bench(false, 1);
    let request = |dimensions| EmbeddingRequest {
        dimensions: Some(dimensions),
        ..tokens(&[&[3]])
    };
    let embeddings = model.embed(request(1)).await.unwrap();
    assert_eq!(embeddings.vectors, [[1.0]]);
    for dimensions in [0, 3] {
        let error = model.embed(request(dimensions)).await.unwrap_err();
        assert!(
            matches!(
                error,
                ModelError::Unsupported {
                    param: "dimensions",
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_text_that_does_not_fit_is_refused_and_named() {
    let Bench { model, .. } = bench(false, 1);
    let error = model.embed(tokens(&[&[1], &[1; 11]])).await.unwrap_err();
    assert!(
        matches!(
            error,
            ModelError::InputTooLong {
                index: 1,
                tokens: 11,
                context_length: 10
            }
        ),
        "{error}"
    );
    for texts in [&[][..], &[&[][..]], &[&[300][..]]] {
        let error = model.embed(tokens(texts)).await.unwrap_err();
        assert!(
            matches!(error, ModelError::Unsupported { param: "input", .. }),
            "{error}"
        );
    }
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test waits for its tasks itself"
)]
async fn requests_beyond_the_queue_are_refused_and_those_that_leave_free_their_place() {
    let Bench { model, passes, go } = bench(true, 1);
    let go = go.unwrap();
    let first = tokio::spawn({
        let model = model.clone();
        async move { model.embed(tokens(&[&[1; 8], &[2; 8], &[3; 8]])).await }
    });
    let second = tokio::spawn({
        let model = model.clone();
        async move { model.embed(tokens(&[&[4]])).await }
    });
    // Both have their places once a third finds none.
    let busy = loop {
        tokio::task::yield_now().await;
        if model.status().waiting + model.status().running == 2 {
            break model.embed(tokens(&[&[5]])).await.unwrap_err();
        }
    };
    assert!(matches!(busy, ModelError::QueueFull { .. }), "{busy}");
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // One pass may have begun for the first request; its other texts are forgotten.
    for _ in 0..2 {
        go.send(()).unwrap();
    }
    assert!(second.await.unwrap().is_ok());
    assert!(passes.lock().unwrap().len() <= 2, "{passes:?}");
}

#[tokio::test]
async fn a_pass_that_fails_ends_its_requests_only() {
    let Bench { model, .. } = bench(false, 1);
    let error = model.embed(tokens(&[&[13]])).await.unwrap_err();
    assert!(matches!(error, ModelError::Internal(_)), "{error}");
    assert!(model.embed(tokens(&[&[12]])).await.is_ok());
}

#[tokio::test]
async fn after_the_end_requests_are_refused() {
    let Bench { model, .. } = bench(false, 1);
    model.shutdown().await;
    let error = model.embed(tokens(&[&[1]])).await.unwrap_err();
    assert!(matches!(error, ModelError::Stopped { .. }), "{error}");
}
