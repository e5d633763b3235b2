//! Parts of a dataset by the numbers of their rows: to learn from, to choose by, to measure on; folds. In: how many examples, or
//! the class of each, and a seed. Out: lists of rows, for [`Dataset::select`](super::Dataset::select) and
//! [`Subset`](super::Subset). The same on every machine.

use std::collections::BTreeMap;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::DataError;

/// How far the sum of fractions may be from 1: less than one example of any number of them that fits in memory, and more than the
/// rounding of a dozen fractions.
const MAX_DEVIATION: f64 = 1e-12;

/// One of several ways to cut a dataset in two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// The rows to learn from.
    pub train: Vec<usize>,
    /// The rows to measure on; each row is in those of one fold.
    pub validation: Vec<usize>,
}

/// The rows of `n` examples, shuffled and cut into parts of these fractions. Part j ends at the example Σᵢ≤ⱼ fractionᵢ · n,
/// rounded to the nearest whole number (halves up).
///
/// # Errors
/// A fraction is not in [0, 1], or they do not add up to 1.
///
/// # Example
/// ```
/// use pullback::data::{digits, rows};
/// let digits = digits();
/// let [train, validation, test] = rows::split(digits.len(), [0.8, 0.1, 0.1], 0)?;
/// assert_eq!([&train, &validation, &test].map(Vec::len), [1438, 179, 180]);
/// let train = digits.select(&train)?;
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn split<const N: usize>(n: usize, fractions: [f64; N], seed: u64) -> Result<[Vec<usize>; N], DataError> {
    check(&fractions)?;
    Ok(cut(shuffled((0..n).collect(), &mut ChaCha8Rng::seed_from_u64(seed)), &fractions))
}

/// The same with each class cut by itself, so that all parts have about the same share of each: the rows of a part are sorted.
///
/// # Errors
/// As for [`split`].
///
/// # Example
/// ```
/// use ndarray::ArrayView1;
/// use pullback::data::{digits, rows};
/// let digits = digits();
/// let labels: ArrayView1<i64> = digits.array("label")?;
/// let [_, test] = rows::stratified_split(labels, [0.9, 0.1], 0)?;
/// let n_of = |digit: i64| test.iter().filter(|row| labels[**row] == digit).count();
/// assert!((0..10).all(|digit| (17..=19).contains(&n_of(digit))));
/// # Ok::<(), pullback::data::DataError>(())
/// ```
pub fn stratified_split<const N: usize, C: Ord>(
    classes: impl IntoIterator<Item = C>,
    fractions: [f64; N],
    seed: u64,
) -> Result<[Vec<usize>; N], DataError> {
    check(&fractions)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut parts = [const { Vec::new() }; N];
    for rows in by_class(classes) {
        let cuts: [Vec<usize>; N] = cut(shuffled(rows, &mut rng), &fractions);
        parts.iter_mut().zip(cuts).for_each(|(part, rows)| part.extend(rows));
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    Ok(parts)
}

/// The rows of `n` examples, shuffled and dealt to `n_folds` parts of equal size (but for one example), each of which is the
/// validation part of one fold.
///
/// # Errors
/// There are fewer than two folds, or more than examples.
///
/// # Example
/// ```
/// let folds = pullback::data::rows::folds(10, 3, 0)?;
/// assert_eq!(folds.iter().map(|fold| fold.validation.len()).collect::<Vec<_>>(), [4, 3, 3]);
/// assert!(folds.iter().all(|fold| fold.train.len() + fold.validation.len() == 10));
/// # Ok::<(), pullback::data::DataError>(())
/// ```
#[doc(alias("k_fold", "cross_validation"))]
pub fn folds(n: usize, n_folds: usize, seed: u64) -> Result<Vec<Fold>, DataError> {
    deal([(0..n).collect()], n, n_folds, seed)
}

/// The same with each class dealt by itself, one after the other.
///
/// # Errors
/// As for [`folds`].
pub fn stratified_folds<C: Ord>(
    classes: impl IntoIterator<Item = C>,
    n_folds: usize,
    seed: u64,
) -> Result<Vec<Fold>, DataError> {
    let classes = by_class(classes);
    let n = classes.iter().map(Vec::len).sum();
    deal(classes, n, n_folds, seed)
}

fn check(fractions: &[f64]) -> Result<(), DataError> {
    if let Some(fraction) = fractions.iter().find(|fraction| !(0.0..=1.0).contains(*fraction)) {
        return Err(DataError::Fraction { fraction: *fraction });
    }
    let sum: f64 = fractions.iter().sum();
    if (sum - 1.0).abs() <= MAX_DEVIATION { Ok(()) } else { Err(DataError::FractionSum { sum }) }
}

fn shuffled(mut rows: Vec<usize>, rng: &mut ChaCha8Rng) -> Vec<usize> {
    rows.shuffle(rng);
    rows
}

/// Cuts rows where the fractions end; the last part takes the rest.
fn cut<const N: usize>(rows: Vec<usize>, fractions: &[f64; N]) -> [Vec<usize>; N] {
    let n = rows.len();
    let (mut rows, mut n_cut, mut sum) = (rows.into_iter(), 0, 0.0);
    std::array::from_fn(|part| {
        sum += fractions[part];
        let end = if part + 1 == N { n } else { ((n as f64 * sum).round() as usize).clamp(n_cut, n) };
        let taken = rows.by_ref().take(end - n_cut).collect();
        n_cut = end;
        taken
    })
}

/// The rows of each class, the least first.
fn by_class<C: Ord>(classes: impl IntoIterator<Item = C>) -> Vec<Vec<usize>> {
    let mut rows: BTreeMap<C, Vec<usize>> = BTreeMap::new();
    for (row, class) in classes.into_iter().enumerate() {
        rows.entry(class).or_default().push(row);
    }
    rows.into_values().collect()
}

/// Deals the rows of each group, shuffled, to one fold after the other.
fn deal(
    groups: impl IntoIterator<Item = Vec<usize>>,
    n_examples: usize,
    n_folds: usize,
    seed: u64,
) -> Result<Vec<Fold>, DataError> {
    if n_folds < 2 || n_folds > n_examples {
        return Err(DataError::Folds { n_folds, n_examples });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = groups.into_iter().flat_map(|group| shuffled(group, &mut rng));
    let mut fold_of = vec![0; n_examples];
    rows.enumerate().for_each(|(position, row)| fold_of[row] = position % n_folds);
    let fold = |fold: usize| {
        let (validation, train) = (0..n_examples).partition(|row| fold_of[*row] == fold);
        Fold { train, validation }
    };
    Ok((0..n_folds).map(fold).collect())
}
