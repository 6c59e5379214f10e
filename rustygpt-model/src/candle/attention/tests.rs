use super::*;
use crate::candle::cache::CacheType;
use crate::candle::vector::tests::random;

/// More than two ranges, so that ranges are added up.
const POSITIONS: usize = 2 * RANGE + 70;

struct Case {
    heads: usize,
    shape: BlockShape,
    window: Option<usize>,
    soft_cap: Option<f32>,
    sinks: Option<Vec<f32>>,
    cache_type: CacheType,
    /// How far the result may lie from the reference: what the cache's rounding costs.
    tolerance: f64,
}

impl Case {
    fn exact(heads: usize, kv_heads: usize, head_dimension: usize, block_size: usize) -> Self {
        Self {
            heads,
            shape: BlockShape {
                block_size,
                kv_heads,
                head_dimension,
            },
            window: None,
            soft_cap: None,
            sinks: None,
            cache_type: CacheType::F32,
            tolerance: 2e-6,
        }
    }

    fn cases() -> [Self; 7] {
        [
            Self::exact(4, 2, 16, 16),
            Self {
                window: Some(100),
                ..Self::exact(4, 4, 32, 32)
            },
            Self {
                soft_cap: Some(3.0),
                ..Self::exact(3, 1, 16, 32)
            },
            // One that draws everything, one that draws nothing, and two between.
            Self {
                sinks: Some(vec![30.0, 1.0, -30.0, 3.0]),
                window: Some(50),
                ..Self::exact(4, 2, 16, 16)
            },
            // Neither heads nor blocks are whole vectors.
            Self::exact(6, 2, 20, 24),
            Self {
                cache_type: CacheType::F16,
                tolerance: 1e-3,
                ..Self::exact(7, 1, 64, 32)
            },
            Self {
                cache_type: CacheType::Bf16,
                window: Some(33),
                tolerance: 1e-2,
                ..Self::exact(8, 1, 48, 32)
            },
        ]
    }

    fn attention(&self) -> Attention {
        Attention {
            heads: self.heads,
            scale: (self.shape.head_dimension as f32).powf(-0.5),
            window: self.window,
            soft_cap: self.soft_cap,
            sinks: self.sinks.clone(),
        }
    }

    fn inputs(&self) -> Inputs {
        let dimension = self.shape.head_dimension;
        let kv_length = POSITIONS * self.shape.kv_heads * dimension;
        let mut queries = random(POSITIONS * self.heads * dimension, 1);
        queries.iter_mut().for_each(|value| *value *= 4.0);
        Inputs {
            queries,
            keys: random(kv_length, 2),
            values: random(kv_length, 3),
        }
    }

    /// Attention of every row, computed in chunks of the given lengths, over and over.
    fn compute(&self, inputs: &Inputs, chunks: &[usize]) -> Vec<f32> {
        let dimension = self.shape.head_dimension;
        let (width, kv_width) = (self.heads * dimension, self.shape.kv_heads * dimension);
        let block_size = self.shape.block_size;
        let blocks = POSITIONS.div_ceil(block_size);
        let mut cache = PagedCache::new(1, self.shape, 2 * blocks, self.cache_type);
        let mut output = vec![0.0; inputs.queries.len()];
        let mut start = 0;
        for &chunk in chunks.iter().cycle() {
            let end = POSITIONS.min(start + chunk);
            // Blocks lie in reverse order, with others between them.
            let table: Vec<usize> = (0..end.div_ceil(block_size))
                .map(|block| 2 * (blocks - 1 - block))
                .collect();
            let slot = |position| table[position / block_size] * block_size + position % block_size;
            let batch = Batch::for_tests((start..end).map(slot).collect(), start, table.clone());
            let rows = start * kv_width..end * kv_width;
            cache.store(0, &batch, &inputs.keys[rows.clone()], &inputs.values[rows]);
            let rows = start * width..end * width;
            let output = &mut output[rows.clone()];
            cache.attend(0, &self.attention(), &batch, &inputs.queries[rows], output);
            if end == POSITIONS {
                break;
            }
            start = end;
        }
        output
    }

    /// The definition, in `f64`.
    fn reference(&self, inputs: &Inputs, position: usize, head: usize) -> Vec<f64> {
        let (dimension, kv_heads) = (self.shape.head_dimension, self.shape.kv_heads);
        let kv_head = head / (self.heads / kv_heads);
        let first = self
            .window
            .map_or(0, |window| (position + 1).saturating_sub(window));
        let query = &inputs.queries[(position * self.heads + head) * dimension..][..dimension];
        let of = |plane: &[f32], seen: usize| {
            let start = (seen * kv_heads + kv_head) * dimension;
            plane[start..start + dimension].to_vec()
        };
        let scores: Vec<f64> = (first..=position)
            .map(|seen| {
                let products = of(&inputs.keys, seen).into_iter().zip(query);
                let dot: f64 = products.map(|(k, q)| f64::from(k) * f64::from(*q)).sum();
                let score = dot * (dimension as f64).powf(-0.5);
                self.soft_cap.map_or(score, |cap| {
                    let cap = f64::from(cap);
                    cap * (score / cap).tanh()
                })
            })
            .collect();
        let sink = self.sinks.as_ref().map(|sinks| f64::from(sinks[head]));
        let all = scores.iter().copied().chain(sink);
        let largest = all.clone().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let sum: f64 = all.map(|score| (score - largest).exp()).sum();
        let mut output = vec![0.0; dimension];
        for (seen, weight) in (first..=position).zip(&weights) {
            for (output, value) in output.iter_mut().zip(of(&inputs.values, seen)) {
                *output += weight / sum * f64::from(value);
            }
        }
        output
    }
}

struct Inputs {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

#[test]
fn attention_is_what_its_definition_says() {
    for case in Case::cases() {
        let inputs = case.inputs();
        let ours = case.compute(&inputs, &[POSITIONS]);
        let dimension = case.shape.head_dimension;
        for position in (0..POSITIONS).step_by(37).chain([POSITIONS - 1]) {
            for head in 0..case.heads {
                let start = (position * case.heads + head) * dimension;
                let expected = case.reference(&inputs, position, head);
                for (ours, expected) in ours[start..start + dimension].iter().zip(&expected) {
                    let distance = (f64::from(*ours) - expected).abs();
                    assert!(distance < case.tolerance, "position {position}: {distance}");
                }
            }
        }
    }
}

#[test]
fn a_row_is_the_same_to_the_bit_however_the_prompt_is_cut() {
    for case in Case::cases() {
        let inputs = case.inputs();
        let whole = case.compute(&inputs, &[POSITIONS]);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        for chunks in [&[1][..], &[7, 1, 64, 3], &[512]] {
            let parts = case.compute(&inputs, chunks);
            assert!(bits(&parts) == bits(&whole), "chunks of {chunks:?}");
        }
    }
}
