//! Drawn sets follow their formulas, and are the same for the same seed, here and elsewhere.

use ndarray::{Array2, Ix1, array};
use pullback::data::{
    Dataset,
    synthetic::{Teacher, circles, overlapping, separable, spirals, two_moons},
};

use super::Table;

/// One set of each kind.
fn all(n: usize, noise: f64, seed: u64) -> [Dataset; 6] {
    [
        two_moons(n, noise, seed).unwrap(),
        circles(n, 0.5, noise, seed).unwrap(),
        spirals(n, 3, noise, seed).unwrap(),
        separable(n, 3, noise, seed).unwrap(),
        overlapping(n, 3, noise, seed).unwrap(),
        Teacher::new(&[3, 5, 3], seed).unwrap().classification(n, seed).unwrap(),
    ]
}

#[test]
fn a_seed_decides_and_labels_go_round() {
    for n in [0, 1, 2, 7, 100] {
        let sets = all(n, 0.1, 1);
        assert_eq!(sets, all(n, 0.1, 1));
        assert!(sets.iter().all(|set| set.len() == n && set.x().iter().all(|x| x.is_finite())));
        for (set, n_classes) in sets.iter().zip([2, 2, 3, 2, 2]) {
            assert!(set.label().iter().enumerate().all(|(position, label)| *label == position as i64 % n_classes));
        }
    }
    for (one, other) in all(20, 0.1, 1).iter().zip(all(20, 0.1, 2)) {
        assert_ne!(one.x(), other.x());
    }
}

/// The first numbers as they were first drawn: any platform that gives others is told here.
#[test]
fn numbers_are_the_same_on_every_platform() {
    let bits = |set: &Dataset| [0, 1].map(|column| set.x()[[4, column]].to_bits());
    let found = all(11, 0.25, 42).map(|set| bits(&set));
    let want = [
        [1055738948, 1066958320],
        [3199265589, 1066245028],
        [1058432081, 1056638688],
        [3200818107, 1064496362],
        [1066242114, 1044137555],
        [3165273795, 1038617970],
    ];
    assert_eq!(found, want);
    let regression = Teacher::new(&[2, 7, 1], 42).unwrap().regression(5, 0.25, 42).unwrap();
    assert_eq!(
        regression.y().mapv(f32::to_bits).to_vec(),
        [1053914576, 1057813024, 1034694521, 3206852179, 1037023474]
    );
}

#[test]
fn curves_without_noise_are_their_formulas() {
    let moons = two_moons(10, 0.0, 0).unwrap();
    for (x, label) in moons.x().rows().into_iter().zip(moons.label()) {
        let (center, side) = if *label == 0 { ([0.0, 0.0], 1.0) } else { ([1.0, 0.5], -1.0) };
        let (dx, dy) = (x[0] - center[0], x[1] - center[1]);
        assert!((dx.hypot(dy) - 1.0).abs() < 1e-6 && side * dy > -1e-6, "{x}");
    }
    // Both ends of class 0, and of class 1.
    let ends = [0, 8, 1, 9].map(|row| moons.x().row(row).mapv(|x| (x * 2.0).round() / 2.0).to_vec());
    assert_eq!(ends, [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [2.0, 0.5]]);

    let rings = circles(12, 0.25, 0.0, 0).unwrap();
    for (x, label) in rings.x().rows().into_iter().zip(rings.label()) {
        let radius = if *label == 0 { 1.0 } else { 0.25 };
        assert!((x[0].hypot(x[1]) - radius).abs() < 1e-6, "{x}");
    }
    // Evenly around: they sum to the center.
    assert!(rings.x().columns().into_iter().all(|column| column.sum().abs() < 1e-6));

    let arms = spirals(30, 3, 0.0, 0).unwrap();
    for (position, x) in arms.x().rows().into_iter().enumerate() {
        let (arm, radius) = (position % 3, (position / 3 + 1) as f64 / 10.0);
        let angle = std::f64::consts::TAU * (1.5 * radius + arm as f64 / 3.0);
        let (dx, dy) = (f64::from(x[0]) - radius * angle.cos(), f64::from(x[1]) - radius * angle.sin());
        assert!(dx.hypot(dy) < 1e-6, "{position}");
    }
}

/// Root mean square of what noise adds, by 4,000 normal numbers: within 3 deviations of its own, 3 / √8000.
#[test]
fn noise_has_its_deviation() {
    for make in
        [|noise| two_moons(2000, noise, 3), |noise| circles(2000, 0.5, noise, 3), |noise| spirals(2000, 2, noise, 3)]
    {
        let (noisy, clean) = (make(0.2).unwrap(), make(0.0).unwrap());
        let difference = &noisy.x() - &clean.x();
        let deviation = (difference.mapv(|x| x * x).sum() / 4000.0).sqrt();
        assert!((deviation / 0.2 - 1.0).abs() < 0.034, "{deviation}");
        assert!((difference.sum() / 4000.0).abs() < 0.01);
    }
}

/// Rosenblatt's rule on a separable set makes no more mistakes than Novikoff's bound.
#[test]
fn a_perceptron_parts_what_is_separable() {
    for (n_features, margin) in [(2, 0.1), (5, 0.5), (20, 1.0)] {
        let set = separable(300, n_features, margin, 7).unwrap();
        let largest = set.x().rows().into_iter().map(|x| x.dot(&x)).fold(0.0, f32::max);
        let bound = (f64::from(largest) / (margin * margin)) as usize;
        let (mut weights, mut n_mistakes, mut is_parted) = (ndarray::Array1::<f32>::zeros(n_features), 0, false);
        while !is_parted && n_mistakes <= bound {
            is_parted = true;
            for (x, label) in set.x().rows().into_iter().zip(set.label()) {
                let side = 2.0 * *label as f32 - 1.0;
                if side * weights.dot(&x) <= 0.0 {
                    weights.scaled_add(side, &x);
                    n_mistakes += 1;
                    is_parted = false;
                }
            }
        }
        assert!(is_parted, "{n_mistakes} mistakes, but at most {bound} are possible");
    }
}

/// The difference of means is the direction of the best rule; Φ(−1) = 0.1587 of examples lie on its wrong side.
#[test]
fn overlapping_classes_overlap_as_they_should() {
    let set = overlapping(20_000, 3, 2.0, 5).unwrap();
    let (x, y) = (set.x(), set.label());
    let mean = |class: i64| {
        let rows = x.rows().into_iter().zip(y).filter(|(_, label)| **label == class);
        rows.fold(ndarray::Array1::<f32>::zeros(3), |sum, (x, _)| sum + x) / 10_000.0
    };
    let difference = mean(1) - mean(0);
    let rows = x.rows().into_iter().zip(y);
    let n_wrong = rows.filter(|(x, label)| (x.dot(&difference) > 0.0) != (**label == 1)).count();
    // Three deviations of a fraction of 20,000 are 0.0078, and of a mean of 10,000 are 0.042 · √3.
    assert!((n_wrong as f64 / 20_000.0 - 0.1587).abs() < 0.0078, "{n_wrong}");
    assert!((difference.dot(&difference).sqrt() - 2.0).abs() < 0.075, "{difference}");
}

#[test]
fn a_teacher_says_what_its_examples_are() {
    let teacher = Teacher::new(&[4, 9, 6, 1], 3).unwrap();
    let clean = teacher.regression(500, 0.0, 8).unwrap();
    assert_eq!(teacher.outputs(clean.x()).unwrap().column(0), clean.y());
    let noisy = teacher.regression(500, 0.3, 8).unwrap();
    assert_eq!(noisy.x(), clean.x());
    let deviation = ((&noisy.y() - &clean.y()).mapv(|x| x * x).sum() / 500.0).sqrt();
    assert!((deviation / 0.3 - 1.0).abs() < 3.0 / 1000f32.sqrt(), "{deviation}");
    let signs = teacher.classification(500, 8).unwrap();
    assert_eq!(signs.label(), clean.y().mapv(|y| i64::from(y > 0.0)));

    let choice = Teacher::new(&[4, 9, 5], 3).unwrap();
    let labels = choice.classification(500, 8).unwrap();
    let outputs = choice.outputs(labels.x()).unwrap();
    for (row, label) in outputs.rows().into_iter().zip(labels.label()) {
        assert!(row.iter().all(|output| *output <= row[*label as usize]));
    }
    let counts = [0, 1, 2, 3, 4].map(|class| labels.label().iter().filter(|label| **label == class).count());
    assert!(counts.iter().filter(|count| **count > 50).count() >= 3, "{counts:?}");
}

/// Without a hidden layer it is linear; with one it is odd, bounded along a line, and not linear.
#[test]
fn a_teacher_is_a_network_of_tanh() {
    let at = |teacher: &Teacher, x: [f32; 2]| teacher.outputs(array![[x[0], x[1]]].view()).unwrap()[[0, 0]];
    let linear = Teacher::new(&[2, 1], 1).unwrap();
    let (a, b, sum) = (at(&linear, [1.0, 2.0]), at(&linear, [3.0, -1.0]), at(&linear, [4.0, 1.0]));
    assert!((a + b - sum).abs() < 1e-6 && a != 0.0);
    let deep = Teacher::new(&[2, 8, 1], 1).unwrap();
    assert_eq!(at(&deep, [1e6, 2e6]), at(&deep, [2e6, 4e6]));
    assert_eq!(at(&deep, [1.0, 2.0]), -at(&deep, [-1.0, -2.0]));
    assert!((at(&deep, [2.0, 4.0]) - 2.0 * at(&deep, [1.0, 2.0])).abs() > 0.01);
}

#[test]
fn parameters_out_of_range_are_refused() {
    let message = |result: Result<Dataset, pullback::data::DataError>| result.unwrap_err().to_string();
    assert_eq!(message(two_moons(5, -0.1, 0)), "the noise is -0.1, but must be from 0 to 1e36");
    assert_eq!(message(circles(5, f64::NAN, 0.0, 0)), "the ratio of radii is NaN, but must be from 0 to 1e36");
    assert_eq!(message(circles(5, 0.5, f64::INFINITY, 0)), "the noise is inf, but must be from 0 to 1e36");
    assert_eq!(message(spirals(5, 0, 0.0, 0)), "the number of arms is 0, but must be at least 1");
    assert_eq!(message(separable(5, 0, 0.0, 0)), "the number of features is 0, but must be at least 1");
    assert_eq!(message(overlapping(5, 2, -1.0, 0)), "the distance is -1, but must be from 0 to 1e36");
    let teacher = |widths: &[usize]| Teacher::new(widths, 0).unwrap_err().to_string();
    assert_eq!(teacher(&[3]), "the number of widths is 1, but must be at least 2");
    assert_eq!(teacher(&[3, 0, 1]), "a width is 0, but must be at least 1");
    let error = Teacher::new(&[3, 1], 0).unwrap().outputs(Array2::zeros((1, 2)).view()).unwrap_err();
    assert_eq!(error.to_string(), "the number of features is 2, but must be the teacher's first width");
}

/// The numbers that a parameter of any constructor is tried with.
const ODD: [f64; 8] = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e39, 1e36];

/// An error or finite numbers.
fn expect_sense(what: &str, drawn: Result<Dataset, pullback::data::DataError>) {
    if let Ok(drawn) = drawn {
        assert!(drawn.x().iter().all(|x| x.is_finite()), "{what}");
        let y = drawn.array::<f32, Ix1>("y");
        assert!(y.map_or(true, |y| y.iter().all(|y| y.is_finite())), "{what}");
    }
}

#[test]
fn every_constructor_gives_finite_numbers_or_an_error_for_any_number() {
    let teacher = Teacher::new(&[3, 2], 0).unwrap();
    for odd in ODD {
        let all = [
            ("two moons", two_moons(20, odd, 0)),
            ("ratio of circles", circles(20, odd, 0.1, 0)),
            ("noise of circles", circles(20, 0.5, odd, 0)),
            ("spirals", spirals(20, 3, odd, 0)),
            ("separable", separable(20, 3, odd, 0)),
            ("overlapping", overlapping(20, 3, odd, 0)),
        ];
        for (what, drawn) in all {
            assert_eq!(drawn.is_ok(), (0.0..=1e36).contains(&odd), "{what} of {odd}");
            expect_sense(what, drawn);
        }
        expect_sense("regression", teacher.regression(20, odd, 0));
    }
}

/// Counts that no memory can hold, and those that a size of 0 excuses in part.
#[test]
fn every_count_that_memory_cannot_hold_is_an_error() {
    let teacher = Teacher::new(&[3, 2], 0).unwrap();
    for many in [1 << 60, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        let sets = [
            two_moons(many, 0.1, 0),
            circles(many, 0.5, 0.1, 0),
            spirals(many, 3, 0.1, 0),
            separable(many, 3, 0.1, 0),
            separable(5, many, 0.1, 0),
            separable(0, many, 0.1, 0),
            overlapping(many, 3, 0.1, 0),
            overlapping(5, many, 0.1, 0),
            teacher.classification(many, 0),
        ];
        for set in sets {
            assert!(matches!(set, Err(pullback::data::DataError::Memory { .. })), "{set:?}");
        }
        assert!(teacher.regression(many, 0.1, 0).is_err());
        for widths in [&[many, 1][..], &[1, many], &[many, many], &[2, many, 2]] {
            assert!(Teacher::new(widths, 0).is_err(), "{widths:?}");
        }
        // As many classes as one likes: few of them have examples.
        let arms = spirals(5, many, 0.0, 0).unwrap();
        assert_eq!(arms.label().to_vec(), [0, 1, 2, 3, 4]);
        assert!(arms.x().iter().all(|x| x.is_finite()));
    }
}
