use super::*;
use proptest::prelude::*;

fn sampler(settings: Settings, seed: u64) -> Sampler {
    Sampler::new(SamplerSetup {
        settings: Arc::new(settings),
        seed,
        prompt: &[],
        ending: Arc::from([]),
        min_tokens: 0,
        logprobs: None,
    })
}

fn draw_many(settings: &Settings, row: &[f32], draws: usize) -> Vec<usize> {
    let mut sampler = sampler(settings.clone(), 42);
    let mut workspace = Workspace::default();
    let mut counts = vec![0; row.len()];
    for _ in 0..draws {
        let chosen = sampler.choose(&mut row.to_vec(), &mut workspace).unwrap();
        counts[chosen.token as usize] += 1;
    }
    counts
}

/// Pearson's statistic against expected probabilities, and its degrees of freedom.
fn chi_square(counts: &[usize], probabilities: &[f64]) -> (f64, usize) {
    let draws: usize = counts.iter().sum();
    let mut statistic = 0.0;
    let mut cells = 0;
    for (&count, &probability) in counts.iter().zip(probabilities) {
        if probability == 0.0 {
            assert_eq!(count, 0, "an impossible token was drawn");
            continue;
        }
        let expected = probability * draws as f64;
        statistic += (count as f64 - expected).powi(2) / expected;
        cells += 1;
    }
    (statistic, cells - 1)
}

fn softmax(row: &[f32], temperature: f32) -> Vec<f64> {
    let weights: Vec<f64> = row
        .iter()
        .map(|&logit| (f64::from(logit) / f64::from(temperature)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// The 99.9 % point of the chi-square distribution (Wilson and Hilferty's approximation).
fn bound(freedom: usize) -> f64 {
    let k = freedom as f64;
    let term = 2.0 / (9.0 * k);
    k * (1.0 - term + 3.09 * term.sqrt()).powi(3)
}

#[test]
fn frequencies_follow_the_tempered_distribution() {
    let row: Vec<f32> = (0..40)
        .map(|id| (id % 7) as f32 * 0.6 - (id % 3) as f32)
        .collect();
    for temperature in [0.5, 1.0, 1.7] {
        let settings = Settings {
            temperature,
            ..Settings::default()
        };
        let counts = draw_many(&settings, &row, 60_000);
        let (statistic, freedom) = chi_square(&counts, &softmax(&row, temperature));
        assert!(
            statistic < bound(freedom),
            "temperature {temperature}: {statistic}"
        );
    }
}

#[test]
fn frequencies_follow_the_nucleus_renormalised() {
    let row: Vec<f32> = (0..30).map(|id| -(id as f32) * 0.3).collect();
    let settings = Settings {
        top_p: 0.8,
        top_k: 12,
        ..Settings::default()
    };
    let mut probabilities = softmax(&row[..12], 1.0);
    let mut mass = 0.0;
    for probability in &mut probabilities {
        let before = mass;
        mass += *probability;
        if before >= 0.8 {
            *probability = 0.0;
        }
    }
    let total: f64 = probabilities.iter().sum();
    probabilities
        .iter_mut()
        .for_each(|probability| *probability /= total);
    probabilities.resize(30, 0.0);
    let counts = draw_many(&settings, &row, 60_000);
    let (statistic, freedom) = chi_square(&counts, &probabilities);
    assert!(statistic < bound(freedom), "{statistic}");
}

#[test]
fn a_draw_reaches_beyond_the_first_chunk() {
    let mut row = vec![f32::NEG_INFINITY; 5000];
    row[4097] = 0.0;
    row[4999] = 0.0;
    let counts = draw_many(&Settings::default(), &row, 1000);
    assert_eq!(counts[4097] + counts[4999], 1000);
    assert!(counts[4097] > 400 && counts[4999] > 400);
}

#[test]
fn temperature_zero_takes_the_lowest_id_among_equals() {
    let settings = Settings {
        temperature: 0.0,
        ..Settings::default()
    };
    let mut row = [1.0, f32::NAN, 3.0, 3.0];
    let chosen = sampler(settings, 0)
        .choose(&mut row, &mut Workspace::default())
        .unwrap();
    assert_eq!(chosen.token, 2);
}

#[test]
fn rows_without_a_possible_token_are_refused() {
    for temperature in [0.0, 1.0] {
        let settings = Settings {
            temperature,
            top_p: 0.9,
            ..Settings::default()
        };
        let mut sampler = sampler(settings, 0);
        let mut workspace = Workspace::default();
        for value in [f32::NAN, f32::NEG_INFINITY] {
            assert_eq!(
                sampler.choose(&mut [value; 9], &mut workspace),
                Err(NothingPossible)
            );
        }
        assert_eq!(
            sampler.choose(&mut [], &mut workspace),
            Err(NothingPossible)
        );
    }
}

#[test]
fn ending_tokens_wait_for_the_least_number_of_tokens_whatever_the_bias() {
    let mut sampler = Sampler::new(SamplerSetup {
        settings: Arc::new(Settings {
            temperature: 0.0,
            logit_bias: vec![(2, 100.0)],
            ..Settings::default()
        }),
        seed: 0,
        prompt: &[],
        ending: Arc::from([2]),
        min_tokens: 2,
        logprobs: None,
    });
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let mut row = [0.0, 1.0, 9.0];
        tokens.push(
            sampler
                .choose(&mut row, &mut Workspace::default())
                .unwrap()
                .token,
        );
    }
    assert_eq!(tokens, [1, 1, 2]);
}

#[test]
fn penalties_see_the_tokens_that_were_chosen_before() {
    let frequency = Settings {
        frequency_penalty: 1.0,
        ..Settings::default()
    };
    let repetition = Settings {
        repetition_penalty: 4.0,
        ..Settings::default()
    };
    for (settings, expected) in [(frequency, [0, 0, 1, 0]), (repetition, [0, 1, 0, 0])] {
        let mut sampler = sampler(
            Settings {
                temperature: 0.0,
                ..settings
            },
            0,
        );
        let tokens = [(); 4].map(|()| {
            let mut row = [3.0, 1.5];
            sampler
                .choose(&mut row, &mut Workspace::default())
                .unwrap()
                .token
        });
        assert_eq!(tokens, expected);
    }
}

#[test]
fn log_probabilities_are_of_the_unmodified_distribution() {
    let mut sampler = Sampler::new(SamplerSetup {
        settings: Arc::new(Settings {
            temperature: 0.0,
            logit_bias: vec![(0, 50.0)],
            repetition_penalty: 1.5,
            ..Settings::default()
        }),
        seed: 0,
        prompt: &[0],
        ending: Arc::from([]),
        min_tokens: 0,
        logprobs: Some(2),
    });
    let row = [1.0_f32, 2.0, 0.5];
    let chosen = sampler
        .choose(&mut row.clone(), &mut Workspace::default())
        .unwrap();
    assert_eq!(chosen.token, 0);
    let exact = softmax(&row, 1.0);
    let (logprob, model) = chosen.logprob.unwrap();
    assert!((f64::from(logprob) - exact[0].ln()).abs() < 1e-6);
    assert_eq!(
        model.top.iter().map(|&(id, _)| id).collect::<Vec<_>>(),
        [1, 0]
    );
    assert!((f64::from(model.top[0].1) - exact[1].ln()).abs() < 1e-6);
}

proptest! {
    #[test]
    fn any_bits_with_any_settings_give_a_possible_token_or_an_error(
        bits in prop::collection::vec(any::<u32>(), 0..100),
        temperature in prop_oneof![Just(0.0f32), 1e-5f32..1e30],
        top_p in 0f32..=1.0,
        top_k in 0usize..8,
        penalty in prop_oneof![Just(1.0f32), f32::MIN_POSITIVE..1e30],
        frequency in -1e30f32..1e30,
        bias in any::<f32>(),
        seed in any::<u64>(),
    ) {
        let row: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let settings = Settings {
            temperature,
            top_p,
            top_k,
            repetition_penalty: penalty,
            frequency_penalty: frequency,
            logit_bias: if bias.is_nan() { vec![] } else { vec![(3, bias)] },
            ..Settings::default()
        };
        let mut first = sampler(settings.clone(), seed);
        let mut second = sampler(settings, seed);
        let mut workspace = Workspace::default();
        for _ in 0..4 {
            let chosen = first.choose(&mut row.clone(), &mut workspace);
            prop_assert_eq!(&chosen, &second.choose(&mut row.clone(), &mut workspace));
            if let Ok(chosen) = chosen {
                prop_assert!(!row[chosen.token as usize].is_nan());
            }
        }
    }
}
