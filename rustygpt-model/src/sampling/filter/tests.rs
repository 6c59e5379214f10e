use super::*;
use proptest::prelude::*;

fn kept(settings: &Settings, row: &[f32]) -> Vec<u32> {
    let mut candidates = Vec::new();
    keep(settings, row, maximum_of(row), &mut candidates);
    let mut ids: Vec<_> = candidates.iter().map(|candidate| candidate.id).collect();
    ids.sort_unstable();
    ids
}

/// The same filters the plain way: sort everything, in f64.
fn kept_by_sorting(settings: &Settings, row: &[f32]) -> Vec<u32> {
    let temperature = f64::from(settings.temperature);
    let mut all: Vec<(u32, f64)> = row
        .iter()
        .enumerate()
        .map(|(id, &logit)| (id as u32, (f64::from(logit) / temperature).exp()))
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    if settings.top_k > 0 {
        all.truncate(settings.top_k);
    }
    if settings.typical_p < 1.0 {
        let total: f64 = all.iter().map(|(_, weight)| weight).sum();
        let entropy: f64 = all
            .iter()
            .map(|(_, weight)| -(weight / total) * (weight / total).ln())
            .sum();
        all.sort_by(|a, b| {
            let distance = |weight: f64| (-(weight / total).ln() - entropy).abs();
            distance(a.1).total_cmp(&distance(b.1))
        });
        cut(&mut all, f64::from(settings.typical_p));
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    }
    if settings.top_p < 1.0 {
        cut(&mut all, f64::from(settings.top_p));
    }
    let least = all[0].1 * f64::from(settings.min_p);
    all.retain(|(_, weight)| *weight >= least);
    let mut ids: Vec<_> = all.into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids
}

fn cut(all: &mut Vec<(u32, f64)>, fraction: f64) {
    let total: f64 = all.iter().map(|(_, weight)| weight).sum();
    let mut mass = 0.0;
    let mut count = 0;
    for (_, weight) in all.iter() {
        count += 1;
        mass += weight;
        if mass >= total * fraction {
            break;
        }
    }
    all.truncate(count);
}

/// A cut may fall differently by one token where a sum is within rounding of its target, or by one
/// value where a probability is. What is less likely than e^−80 of the likeliest is never drawn and
/// may be kept or not.
fn assert_alike(
    settings: &Settings,
    row: &[f32],
    fast: &[u32],
    plain: &[u32],
) -> Result<(), TestCaseError> {
    let least = maximum_of(row) - 80.0 * settings.temperature;
    let mut differing: Vec<f32> = fast
        .iter()
        .filter(|id| !plain.contains(id))
        .chain(plain.iter().filter(|id| !fast.contains(id)))
        .map(|&id| row[id as usize])
        .filter(|&logit| logit > least)
        .collect();
    differing.dedup();
    prop_assert!(differing.len() <= 1, "{fast:?} instead of {plain:?}");
    Ok(())
}

/// Rows whose values are far enough apart that f32 and f64 order them alike.
fn rows() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-4000i32..4000, 1..2500)
        .prop_map(|row| row.into_iter().map(|value| value as f32 / 128.0).collect())
}

proptest! {
    #[test]
    fn selection_keeps_what_sorting_keeps(
        row in rows(),
        temperature in 0.3f32..2.0,
        top_k in prop_oneof![Just(0usize), 1usize..100],
        top_p in prop_oneof![Just(1.0f32), 0.01f32..0.999],
        min_p in prop_oneof![Just(0.0f32), 0.001f32..0.9],
    ) {
        let settings = Settings { temperature, top_k, top_p, min_p, ..Settings::default() };
        let plain = kept_by_sorting(&settings, &row);
        if is_any_active(&settings) {
            assert_alike(&settings, &row, &kept(&settings, &row), &plain)?;
        }
    }

    #[test]
    fn the_typical_set_is_what_sorting_keeps(
        row in prop::collection::vec(-8f32..8.0, 1..300),
        typical_p in 0.05f32..0.99,
    ) {
        let settings = Settings { typical_p, ..Settings::default() };
        let plain = kept_by_sorting(&settings, &row);
        assert_alike(&settings, &row, &kept(&settings, &row), &plain)?;
    }

    #[test]
    fn no_row_of_any_bits_panics_or_keeps_the_impossible(
        bits in prop::collection::vec(any::<u32>(), 1..200),
        top_k in 0usize..10,
        top_p in 0f32..=1.0,
        min_p in 0f32..=1.0,
        typical_p in 0f32..=1.0,
    ) {
        let row: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let maximum = maximum_of(&row);
        prop_assume!(maximum.is_finite());
        let settings = Settings { top_k, top_p, min_p, typical_p, ..Settings::default() };
        let ids = kept(&settings, &row);
        prop_assert!(!ids.is_empty());
        for id in ids {
            prop_assert!(!row[id as usize].is_nan());
            prop_assert!(row[id as usize] > f32::NEG_INFINITY);
        }
    }
}

#[test]
fn a_flat_row_is_cut_at_its_mass() {
    let settings = Settings {
        top_p: 0.5,
        ..Settings::default()
    };
    let ids = kept(&settings, &vec![0.0; 10_000]);
    assert_eq!(ids, (0..5000).collect::<Vec<_>>());
}

#[test]
fn unlikely_tokens_are_kept_where_the_filter_asks_for_them() {
    let row = [0.0, -20.0, -40.0, -60.0];
    let three = Settings {
        top_k: 3,
        ..Settings::default()
    };
    assert_eq!(kept(&three, &row), [0, 1, 2]);
    // Twenty thousand tokens at e^−17 have a mass of 8e-4 together.
    let mut row = vec![-17.0; 20_000];
    row[7] = 0.0;
    let nearly_all = Settings {
        top_p: 0.999_9,
        ..Settings::default()
    };
    let count = kept(&nearly_all, &row).len();
    assert!((15_000..20_000).contains(&count), "{count}");
}
