//! The noise of perturbed descent: by its formula, uniform on the sphere, of seed and step alone.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::*;

/// What a step from 0 without a gradient makes of `n` parameters of each dtype: −ξ.
fn noise(n: usize, seed: u64, n_steps_before: u64) -> Parameters {
    let layout = Layout::new([("a", DType::F64, vec![n]), ("b", DType::F32, vec![n])]).unwrap();
    let mut parameters = Parameters::zeros(layout);
    let gradients = Gradients::zeros(parameters.layout().clone());
    let mut rule = PerturbedSgd::new(1.0, seed);
    let nothing: [(&str, Buffers); 0] = [];
    rule.restore(OptimizerState::new("perturbed-sgd", n_steps_before, nothing)).unwrap();
    rule.step(&mut parameters, &gradients).unwrap();
    parameters
}

/// By the documented formula: Gaussian numbers of the seed, the step and the place, those of f32 first, over their norm.
#[test]
fn perturbed_sgd_by_hand() {
    let (seed, rate, radius) = (9, 0.1, 0.5);
    let (mut f32s, mut f64s) = ([1.0, -2.0], [1.0, -2.0]);
    for (step, numbers) in GRADIENTS.into_iter().enumerate() {
        let draw = |first_word: u128| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(step as u64);
            rng.set_word_pos(first_word);
            [0; 2].map(|_| -> f64 { rng.sample(StandardNormal) })
        };
        let drawn = (draw(0).map(|x| f64::from(x as f32)), draw(1 << 64));
        let norm = drawn.0.iter().chain(&drawn.1).map(|x| x * x).sum::<f64>().sqrt();
        for element in 0..2 {
            f32s[element] -= rate * (numbers[element] + radius * drawn.0[element] / norm);
            f64s[element] -= rate * (numbers[element] + radius * drawn.1[element] / norm);
        }
    }
    let mut rule = PerturbedSgd::new(rate, seed).radius(radius);
    let mut parameters = start();
    for numbers in GRADIENTS {
        let gradients = gradients_of(&parameters, numbers);
        rule.step(&mut parameters, &gradients).unwrap();
    }
    for element in 0..2 {
        assert!((parameters.flat::<f64>().unwrap()[element] - f64s[element]).abs() <= 1e-12);
        assert!((f64::from(parameters.flat::<f32>().unwrap()[element]) - f32s[element]).abs() <= 1e-6);
    }
}

/// The first numbers of a seed, pinned: a change here changes every seeded run of every user.
#[test]
fn the_noise_of_a_seed_never_changes() {
    assert_eq!(noise(1, 1, 0).flat::<f64>().unwrap(), [-0.6242104576721477]);
}

#[test]
fn the_noise_is_on_the_sphere_and_of_seed_and_step_alone() {
    for n in [1, 64, 65, 1000] {
        // The f32 half of the parameters is rounded to 24 bits.
        assert!((noise(n, 1, 0).norm() - 1.0).abs() < 1e-7, "{n}");
    }
    assert_eq!(noise(100, 1, 3), noise(100, 1, 3));
    assert_ne!(noise(100, 1, 3), noise(100, 1, 4));
    assert_ne!(noise(100, 1, 3), noise(100, 2, 3));
    let drawn = noise(200, 1, 0);
    let (f64s, f32s) = (drawn.flat::<f64>().unwrap(), drawn.flat::<f32>().unwrap());
    assert!(f64s.iter().zip(f32s).all(|(one, other)| (one - f64::from(*other)).abs() > 1e-12), "streams of their own");
    assert!(f64s.iter().enumerate().all(|(i, x)| !f64s[..i].contains(x)), "no block is another's");
}

/// A coordinate of a uniform point on the sphere of m dimensions has mean 0 and variance 1/m, and is not correlated with
/// another: the means of 4,000 draws are within five of their standard deviations.
#[test]
fn the_noise_is_uniform() {
    let (n_draws, m) = (4000, 4.0);
    let draws: Vec<[f64; 4]> = (0..n_draws)
        .map(|step| {
            let drawn = noise(2, 5, step);
            let (a, b) = (drawn.flat::<f64>().unwrap(), drawn.flat::<f32>().unwrap());
            [a[0], a[1], f64::from(b[0]), f64::from(b[1])]
        })
        .collect();
    let mean = |function: &dyn Fn(&[f64; 4]) -> f64| draws.iter().map(function).sum::<f64>() / n_draws as f64;
    let tolerance = |variance: f64| 5.0 * (variance / n_draws as f64).sqrt();
    // E x² = 1/m, E x⁴ = 3/(m(m+2)), E x²y² = 1/(m(m+2)).
    let fourth = 3.0 / (m * (m + 2.0));
    for i in 0..4 {
        assert!(mean(&|x| x[i]).abs() < tolerance(1.0 / m));
        assert!((mean(&|x| x[i] * x[i]) - 1.0 / m).abs() < tolerance(fourth - 1.0 / (m * m)));
        for j in 0..i {
            assert!(mean(&|x| x[i] * x[j]).abs() < tolerance(fourth / 3.0));
        }
    }
}

/// The noise that threads drew is that of the same places of a draw that took no threads, up to the common norm.
#[test]
fn the_noise_of_threads_is_that_of_one() {
    let (large, small) = (noise(400_000, 3, 2), noise(5_000, 3, 2));
    let ratio = large.flat::<f64>().unwrap()[0] / small.flat::<f64>().unwrap()[0];
    let pairs = small.flat::<f64>().unwrap().iter().zip(large.flat::<f64>().unwrap());
    assert!(pairs.into_iter().all(|(small, large)| (small * ratio - large).abs() <= 1e-15 * large.abs().max(1e-3)));
    assert_eq!(noise(400_000, 3, 2), large);
}
