//! The methods on whole tensors, one step after the other as `docs/formats.md` has them, in the slowest way.

use crate::layout::Dtype;
use crate::method::{Consensus, Method};
use crate::samples::{Sample, magnitudes, nearest};

/// The elements of a tensor of F32, BF16 or F16.
pub(super) fn values(sample: &Sample) -> Vec<f64> {
    let halves = sample.bytes.as_chunks().0.iter();
    match sample.dtype {
        Dtype::F32 => {
            sample.bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect()
        }
        Dtype::Bf16 => halves.map(|b| half::bf16::from_le_bytes(*b).to_f64()).collect(),
        _ => halves.map(|b| half::f16::from_le_bytes(*b).to_f64()).collect(),
    }
}

/// Rounded to `dtype`, once.
pub(super) fn bytes(dtype: Dtype, values: &[f64]) -> Vec<u8> {
    if dtype == Dtype::F32 {
        return values.iter().flat_map(|it| (*it as f32).to_le_bytes()).collect();
    }
    let magnitudes = magnitudes(dtype);
    values.iter().flat_map(|it| nearest(&magnitudes, *it, 16).to_le_bytes()).collect()
}

/// One tensor of a soup: the experts that take part with party, ppm and elements, in order, and the base's.
pub(super) fn made(
    method: &Method,
    tensor: &str,
    experts: &[(char, i64, Vec<f64>)],
    base: &[f64],
) -> Vec<f64> {
    let ppm: Vec<_> = experts.iter().map(|(_, ppm, _)| *ppm as f64).collect();
    let columns: Vec<_> = experts.iter().map(|(_, _, values)| values.as_slice()).collect();
    match method {
        Method::Linear | Method::Layerwise { .. } => linear(&ppm, &columns),
        Method::TaskArithmetic => {
            let rest = 1e6 - ppm.iter().sum::<f64>();
            match (rest == 0.0, experts) {
                (true, _) => linear(&ppm, &columns),
                (false, []) => base.to_vec(),
                _ => linear(&[vec![rest], ppm].concat(), &[vec![base], columns].concat()),
            }
        }
        Method::Slerp if experts.len() < 2 => columns[0].to_vec(),
        Method::Slerp => {
            let cosine = dot(columns[0], columns[1])
                / (dot(columns[0], columns[0]).sqrt() * dot(columns[1], columns[1]).sqrt());
            if cosine.is_nan() || cosine.abs() > 0.9995 {
                return linear(&ppm, &columns);
            }
            let [a, b] = arc(cosine, experts[1].1);
            columns[0].iter().zip(columns[1]).map(|(x, y)| 0.0 + a * x + b * y).collect()
        }
        Method::ModelStock => model_stock(&columns, base),
        Method::Ties { density, consensus, strength } => {
            let keep = |_: char, changes: &[f64]| trimmed(changes, density.ppm());
            let settings = (*consensus, f64::from(strength.ppm()), 1e6);
            elected(experts, base, keep, settings, density.ppm() == 1_000_000)
        }
        Method::DareTies { density, seed, consensus, strength } => {
            let keep =
                |party: char, changes: &[f64]| drawn(changes, *seed, party, tensor, density.ppm());
            let settings = (*consensus, f64::from(strength.ppm()), f64::from(density.ppm()));
            elected(experts, base, keep, settings, density.ppm() == 1_000_000)
        }
    }
}

fn linear(ppm: &[f64], columns: &[&[f64]]) -> Vec<f64> {
    if ppm == [1e6] {
        return columns[0].to_vec();
    }
    let element = |e: usize| {
        let mut sum = 0.0;
        for (ppm, column) in ppm.iter().zip(columns) {
            sum += ppm * column[e];
        }
        sum / 1e6
    };
    (0..columns[0].len()).map(element).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sum = 0.0;
    for lane in 0..8 {
        let mut partial = 0.0;
        for e in (lane..a.len()).step_by(8) {
            partial += a[e] * b[e];
        }
        sum += partial;
    }
    sum
}

/// By recursion: the part of the arc in which the point lies, and where in it.
fn arc(cosine: f64, ppm: i64) -> [f64; 2] {
    fn within(low: [f64; 2], high: [f64; 2], cosine: f64, at: i64, left: u32) -> [f64; 2] {
        if left == 0 {
            let part = at as f64 / 1e6;
            return [low[0] + part * (high[0] - low[0]), low[1] + part * (high[1] - low[1])];
        }
        let half = ((1.0 + cosine) / 2.0).sqrt();
        let twice = 2.0 * half;
        let middle = [(low[0] + high[0]) / twice, (low[1] + high[1]) / twice];
        match 2 * at - 1_000_000 {
            beyond if beyond >= 0 => within(middle, high, half, beyond, left - 1),
            _ => within(low, middle, half, 2 * at, left - 1),
        }
    }
    within([1.0, 0.0], [0.0, 1.0], cosine, ppm, 30)
}

fn model_stock(columns: &[&[f64]], base: &[f64]) -> Vec<f64> {
    let changes: Vec<Vec<f64>> = columns
        .iter()
        .map(|column| column.iter().zip(base).map(|(x, base)| x - base).collect())
        .collect();
    let norms: Vec<f64> = changes.iter().map(|it| dot(it, it).sqrt()).collect();
    let (mut sum, mut pairs, count) = (0.0, 0.0, columns.len());
    for i in 0..count {
        for j in i + 1..count {
            let cosine = dot(&changes[i], &changes[j]) / (norms[i] * norms[j]);
            sum += if cosine.is_nan() { 0.0 } else { cosine.clamp(-1.0, 1.0) };
            pairs += 1.0;
        }
    }
    let mean = (sum / pairs).max(0.0);
    let n = count as f64;
    let t = n * mean / (1.0 + (n - 1.0) * mean);
    let element = |e: usize| {
        let experts = columns.iter().fold(0.0, |sum, column| sum + t / n * column[e]);
        experts + (1.0 - t) * base[e]
    };
    (0..base.len()).map(element).collect()
}

fn trimmed(changes: &[f64], density: u32) -> Vec<bool> {
    if density == 1_000_000 {
        return vec![true; changes.len()];
    }
    let rank = (changes.len() as u64 * u64::from(density) / 1_000_000).max(1) as usize;
    let mut sorted: Vec<_> = changes.iter().map(|it| it.abs()).collect();
    sorted.sort_by(f64::total_cmp);
    let least = sorted[changes.len() - rank];
    changes.iter().map(|it| it.abs() >= least).collect()
}

fn drawn(changes: &[f64], seed: u32, party: char, tensor: &str, density: u32) -> Vec<bool> {
    let context = "potluck dare_ties/1: which elements an expert keeps of a tensor";
    let mut text = seed.to_le_bytes().to_vec();
    text.extend_from_slice(format!("{party}/{tensor}").as_bytes());
    let digest = blake3::derive_key(context, &text);
    let mut state = u64::from_le_bytes(digest[..8].try_into().unwrap());
    let mut next = || {
        state = state.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    };
    let kept = |number: u64| u128::from(number) * 1_000_000 < u128::from(density) << 64;
    changes.iter().map(|_| kept(next())).collect()
}

fn elected(
    experts: &[(char, i64, Vec<f64>)],
    base: &[f64],
    keep: impl Fn(char, &[f64]) -> Vec<bool>,
    (consensus, strength, rescale): (Consensus, f64, f64),
    is_whole: bool,
) -> Vec<f64> {
    if let ([(_, ppm, only)], true, true) = (experts, is_whole, strength == 1e6)
        && (consensus == Consensus::Mean || *ppm == 1_000_000)
    {
        return only.clone();
    }
    let change = |(party, ppm, values): &(char, i64, Vec<f64>)| {
        let changes: Vec<_> = values.iter().zip(base).map(|(x, base)| x - base).collect();
        let kept = keep(*party, &changes);
        let changes = changes.iter().zip(kept).map(|(it, kept)| if kept { *it } else { 0.0 });
        (*ppm as f64, changes.collect::<Vec<_>>())
    };
    let experts: Vec<_> = experts.iter().map(change).collect();
    let element = |e: usize| {
        let vote = experts.iter().fold(0.0, |sum, (ppm, it)| sum + ppm * it[e]);
        let agree = experts.iter().filter(|(_, it)| it[e] * vote.signum() > 0.0 && vote != 0.0);
        let (sum, total) =
            agree.fold((0.0, 0.0), |(sum, total), (ppm, it)| (sum + ppm * it[e], total + ppm));
        if total == 0.0 {
            return base[e];
        }
        let mut change = sum / if consensus == Consensus::Mean { total } else { 1e6 };
        if strength != rescale {
            change = change * strength / rescale;
        }
        base[e] + change
    };
    (0..base.len()).map(element).collect()
}
