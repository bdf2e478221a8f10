use tch::{Kind, Tensor};

use super::*;

fn numbers(count: usize, seed: i64) -> Vec<f32> {
    let made = Tensor::arange(count as i64, (Kind::Double, tch::Device::Cpu)) + seed as f64;
    Vec::<f32>::try_from(&(made * 1.7).sin().to_kind(Kind::Float)).unwrap()
}

fn tensor(values: &[f32], width: usize) -> Tensor {
    Tensor::from_slice(values).view([-1, width as i64])
}

/// Outputs and inputs that fill panels and tiles, and that do not; every number of rows.
#[test]
fn products_are_those_of_libtorch() {
    for (inputs, outputs) in [(1, 1), (7, 5), (16, 32), (33, 70), (128, 4200)] {
        let weights = numbers(inputs * outputs, 1);
        let bias = numbers(outputs, 2);
        for rows in 1..=19usize {
            let x = numbers(rows * inputs, 3);
            for (precision, kind) in
                [(Precision::F32, Kind::Float), (Precision::Bf16, Kind::BFloat16)]
            {
                let rounded = |x: Tensor| x.to_kind(kind).to_kind(Kind::Double);
                let plain = rounded(tensor(&x, inputs))
                    .matmul(&rounded(tensor(&weights, inputs)).transpose(0, 1));
                for bias in [None, Some(bias.clone())] {
                    let expected = match &bias {
                        None => plain.shallow_clone(),
                        Some(bias) => &plain + Tensor::from_slice(bias),
                    };
                    let matrix = Matrix::pack(&weights, inputs, bias, precision);
                    for is_shared in [false, true] {
                        let mut out = Vec::new();
                        matrix.product(&x, &mut out, &mut Scratch::default(), is_shared);
                        let far = (tensor(&out, outputs) - &expected).abs().max().double_value(&[]);
                        assert!(
                            far < 1e-6 * inputs.max(10) as f64,
                            "{inputs} {outputs} {rows} {precision:?}: {far:e}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_is_the_same_in_any_batch() {
    let (inputs, outputs) = (37, 4200);
    let weights = numbers(inputs * outputs, 1);
    let x = numbers(11 * inputs, 2);
    for precision in [Precision::F32, Precision::Bf16] {
        let matrix = Matrix::pack(&weights, inputs, None, precision);
        let mut all = Vec::new();
        matrix.product(&x, &mut all, &mut Scratch::default(), false);
        for (row, expected) in x.chunks_exact(inputs).zip(all.chunks_exact(outputs)) {
            let mut alone = Vec::new();
            matrix.product(row, &mut alone, &mut Scratch::default(), true);
            assert_eq!(alone, expected);
        }
    }
}

#[test]
fn a_packed_row_is_what_was_packed() {
    for inputs in [1, 6, 7] {
        let weights: Vec<f32> = (0..inputs * 40).map(|n| (n % 61) as f32 * 0.5).collect();
        for precision in [Precision::F32, Precision::Bf16] {
            let matrix = Matrix::pack(&weights, inputs, None, precision);
            let mut row = vec![0f32; inputs];
            for (at, expected) in weights.chunks_exact(inputs).enumerate() {
                matrix.row(at, &mut row);
                assert_eq!(row, expected);
            }
        }
    }
}
