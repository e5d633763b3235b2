//! What sources are made of: parts, windows, changed and mixed images, iterators. Each gives the same rows whatever batch and thread
//! asks, and what a formula says.

use std::{collections::BTreeSet, thread};

use ndarray::{Array4, ArrayView1, ArrayView4, Ix1, Ix4};
use pullback::{
    DType,
    data::{
        Augmented, Batching, Column, DataError, Dataset, IteratorSource, Mixup, Source, Subset, Windows, digits, rows,
    },
};

fn images(n: usize) -> Dataset {
    let pixel = |(image, channel, row, column): (usize, usize, usize, usize)| {
        (1000 * image + 100 * channel + 10 * row + column + 1) as f32
    };
    let labels: Vec<i64> = (0..n as i64).collect();
    let images = Array4::from_shape_fn((n, 2, 5, 4), pixel);
    Dataset::new().column("x", images).unwrap().column("label", labels).unwrap()
}

/// Each row of a source, asked for alone, in any company and on any thread, is the same.
fn expect_rows_of_their_own(what: &str, source: &dyn Source) {
    let n = source.n_examples().unwrap();
    for epoch in [0, 3] {
        let all = source.batch(&(0..n).collect::<Vec<_>>(), epoch).unwrap();
        let asked: Vec<usize> = (0..n).rev().chain([0, 0, n - 1]).collect();
        let others = thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| source.batch(&asked, epoch).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        for other in others {
            assert_eq!(other.at_rows_of(&asked), all.select(&asked).unwrap().at_rows_of(&asked), "{what}");
        }
        for (name, value) in all.iter() {
            assert_eq!(value.shape()[0], n, "{what}, {name}");
        }
        let names: Vec<&str> = source.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(all.iter().map(|(name, _)| name).collect::<Vec<_>>(), names, "{what}");
    }
}

/// Columns alone: a source does not say where its examples come from.
trait Contents {
    fn at_rows_of(&self, rows: &[usize]) -> Vec<(String, pullback::Value)>;
}

impl Contents for pullback::data::Batch {
    fn at_rows_of(&self, rows: &[usize]) -> Vec<(String, pullback::Value)> {
        assert_eq!(self.len(), rows.len());
        self.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

#[test]
fn a_row_is_the_same_in_any_batch_and_on_any_thread() {
    let images = images(9);
    expect_rows_of_their_own("dataset", &images);
    expect_rows_of_their_own("subset", &Subset::new(&images, vec![7, 7, 0, 2]).unwrap());
    let augmented = Augmented::new(&images, "x", 5).unwrap().flip().crop(2).cutout(3);
    expect_rows_of_their_own("augmented", &augmented);
    expect_rows_of_their_own("mixup", &Mixup::new(&augmented, "x", "label", 0.3, 1).unwrap());
    let tokens = Dataset::new().column("token", (0..50).collect::<Vec<i64>>()).unwrap();
    expect_rows_of_their_own("windows", &Windows::new(&tokens, "token", 6).unwrap().step(2).unwrap());
}

#[test]
fn flips_and_crops_are_among_those_that_there_can_be_and_all_come() {
    let images = images(1);
    let whole = images.array::<f32, Ix4>("x").unwrap();
    let flipped = Augmented::new(&images, "x", 0).unwrap().flip();
    let (mut n_flipped, n) = (0, 400);
    for epoch in 0..n {
        let batch = flipped.batch(&[0], epoch).unwrap();
        let found: ArrayView4<f32> = batch.array("x").unwrap();
        let is_flipped = found != whole;
        n_flipped += u64::from(is_flipped);
        let expected = Array4::from_shape_fn((1, 2, 5, 4), |(i, channel, row, column)| {
            whole[[i, channel, row, if is_flipped { 3 - column } else { column }]]
        });
        assert_eq!(found, expected);
    }
    // Five standard deviations of a fair coin: √400/2 = 10.
    assert!(n_flipped.abs_diff(n / 2) < 50, "{n_flipped}");

    let cropped = Augmented::new(&images, "x", 0).unwrap().crop(2);
    let mut seen = BTreeSet::new();
    for epoch in 0..1000 {
        let batch = cropped.batch(&[0], epoch).unwrap();
        let found: ArrayView4<f32> = batch.array("x").unwrap();
        // The image moved by (down, right), zeros around it.
        let moved = |down: i64, right: i64| {
            Array4::from_shape_fn((1, 2, 5, 4), |(i, channel, row, column)| {
                let place = (row as i64 + down, column as i64 + right);
                let is_inside = (0..5).contains(&place.0) && (0..4).contains(&place.1);
                if is_inside { whole[[i, channel, place.0 as usize, place.1 as usize]] } else { 0.0 }
            })
        };
        let mut moves = (-2..=2).flat_map(|down| (-2..=2).map(move |right| (down, right)));
        let place = moves.find(|(down, right)| found == moved(*down, *right));
        seen.insert(place.unwrap_or_else(|| panic!("no crop: {found}")));
    }
    // That one of 25 equally likely ones is missing after 1000 draws has a chance of 25·0.96¹⁰⁰⁰ < 10⁻¹⁶.
    assert_eq!(seen.len(), 25);
}

#[test]
fn what_is_cut_out_is_a_square_around_any_pixel() {
    let ones = Dataset::new().column("x", Array4::<f32>::ones((1, 1, 6, 7))).unwrap();
    let mut corners = BTreeSet::new();
    for epoch in 0..2000 {
        let batch = Augmented::new(&ones, "x", 3).unwrap().cutout(3).batch(&[0], epoch).unwrap();
        let found: ArrayView4<f32> = batch.array("x").unwrap();
        let zeros: Vec<(usize, usize)> =
            found.indexed_iter().filter(|(_, x)| **x == 0.0).map(|((_, _, row, column), _)| (row, column)).collect();
        let rows: BTreeSet<usize> = zeros.iter().map(|zero| zero.0).collect();
        let columns: BTreeSet<usize> = zeros.iter().map(|zero| zero.1).collect();
        let [rows, columns] = [rows, columns].map(|places| (*places.first().unwrap(), *places.last().unwrap()));
        assert_eq!(zeros.len(), (rows.1 - rows.0 + 1) * (columns.1 - columns.0 + 1));
        assert!(rows.1 - rows.0 < 3 && columns.1 - columns.0 < 3);
        corners.insert((rows, columns));
    }
    // A square for each pixel in its centre; 42·(41/42)²⁰⁰⁰ < 10⁻¹⁸.
    assert_eq!(corners.len(), 6 * 7);
    let all = Augmented::new(&ones, "x", 3).unwrap().cutout(100).batch(&[0], 0).unwrap();
    assert!(all.array::<f32, Ix4>("x").unwrap().iter().all(|x| *x == 0.0));
    let none = Augmented::new(&ones, "x", 3).unwrap().cutout(0).crop(0).batch(&[0], 0).unwrap();
    assert_eq!(none["x"], ones.batch(&[0], 0).unwrap()["x"]);
}

#[test]
fn channels_are_normalized_by_their_own_numbers() {
    let images = images(3);
    let normalized = Augmented::new(&images, "x", 0).unwrap().normalize([1.0, -2.0], [2.0, 0.5]).unwrap();
    let batch = normalized.batch(&[2], 9).unwrap();
    let (found, x): (ArrayView4<f32>, ArrayView4<f32>) = (batch.array("x").unwrap(), images.array("x").unwrap());
    for ((_, channel, row, column), found) in found.indexed_iter() {
        let x = x[[2, channel, row, column]];
        assert_eq!(*found, if channel == 0 { (x - 1.0) / 2.0 } else { (x + 2.0) / 0.5 });
    }
    let new = |mean: Vec<f32>, deviation: Vec<f32>| {
        let augmented = Augmented::new(&images, "x", 0).unwrap();
        augmented.normalize(mean, deviation).map(drop).unwrap_err().to_string()
    };
    assert_eq!(new(vec![0.0], vec![1.0, 1.0]), "the number of means is 1, but must be that of the channels");
    assert_eq!(new(vec![0.0; 2], vec![1.0, 0.0]), "a deviation is 0, but must be positive and finite");
    assert_eq!(new(vec![0.0, f32::NAN], vec![1.0; 2]), "a mean is NaN, but must be finite");
    let flat = Augmented::new(digits(), "x", 0).map(drop).unwrap_err().to_string();
    assert_eq!(flat, "column x (f32[64] an example) must be f32[channels, height, width] an example");
    let unknown = Augmented::new(digits(), "y", 0).map(drop).unwrap_err().to_string();
    assert_eq!(unknown, "no column is named `y`; the nearest name is `x`");
}

/// x is what the formula makes of both, and λ has the moments of Beta(α, α): mean ½, variance 1/(4(2α + 1)).
#[test]
fn mixed_examples_follow_the_formula_and_their_distribution() {
    let images = images(40);
    for alpha in [0.05, 0.4, 1.0, 8.0] {
        let mixed = Mixup::new(&images, "x", "label", alpha, 11).unwrap();
        let (mut mixes, mut others) = (Vec::new(), BTreeSet::new());
        for epoch in 0..100 {
            let batch = mixed.batch(&(0..40).collect::<Vec<_>>(), epoch).unwrap();
            let x: ArrayView4<f32> = batch.array("x").unwrap();
            let (other, mix): (ArrayView1<i64>, ArrayView1<f32>) =
                (batch.array("label_other").unwrap(), batch.array("mix").unwrap());
            let plain: ArrayView4<f32> = images.array("x").unwrap();
            for row in 0..40 {
                let expected =
                    mix[row] * plain[[row, 1, 2, 3]] + (1.0 - mix[row]) * plain[[other[row] as usize, 1, 2, 3]];
                assert_eq!(x[[row, 1, 2, 3]], expected);
                others.insert(other[row]);
            }
            mixes.extend(mix.iter().map(|mix| f64::from(*mix)));
        }
        assert_eq!(others.len(), 40);
        let n = mixes.len() as f64;
        let mean = mixes.iter().sum::<f64>() / n;
        let variance = mixes.iter().map(|mix| (mix - 0.5).powi(2)).sum::<f64>() / n;
        let expected = 0.25 / (2.0 * alpha + 1.0);
        // Five standard errors: √(variance/n) of the mean, and at most √(variance/4/n) of the variance, as (λ − ½)² ≤ ¼.
        assert!((mean - 0.5).abs() < 5.0 * (expected / n).sqrt(), "α = {alpha}: {mean}");
        assert!((variance - expected).abs() < 5.0 * (expected / 4.0 / n).sqrt(), "α = {alpha}: {variance}");
    }
    for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(Mixup::new(&images, "x", "label", odd, 0), Err(DataError::Parameter { .. })), "{odd}");
    }
}

#[test]
fn windows_are_all_that_there_are_and_go_on() {
    for (n, length, step) in [(0, 3, 1), (3, 3, 1), (4, 3, 1), (20, 3, 3), (20, 3, 2), (21, 5, 5), (5, 1, 1)] {
        let tokens = Dataset::new().column("token", (0..n as i64).map(|i| i * i).collect::<Vec<_>>()).unwrap();
        let windows = Windows::new(tokens, "token", length).unwrap().step(step).unwrap();
        let starts: Vec<usize> = (0..n).step_by(step).filter(|start| start + length < n).collect();
        assert_eq!(windows.n_examples(), Some(starts.len()), "{n} tokens");
        for (row, start) in starts.iter().enumerate() {
            let batch = windows.batch(&[row], 0).unwrap();
            let part = |start: usize| (start..start + length).map(|i| (i * i) as i64).collect::<Vec<_>>();
            assert_eq!(batch["x"], part(*start).as_row(length), "{n} tokens");
            assert_eq!(batch["y"], part(start + 1).as_row(length), "{n} tokens");
        }
    }
    let tokens = Dataset::new().column("token", (0..100).collect::<Vec<i64>>()).unwrap();
    let windows = Windows::new(&tokens, "token", 4).unwrap();
    let mut last: Option<Vec<i64>> = None;
    for batch in Batching::new(3).continued().epoch(&windows, 0, 0).unwrap().map(Result::unwrap) {
        let x: ndarray::ArrayView2<i64> = batch.array("x").unwrap();
        let y: ndarray::ArrayView2<i64> = batch.array("y").unwrap();
        if let Some(last) = last {
            assert_eq!(x.column(0).to_vec(), last, "each row goes on where it ended");
        }
        last = Some(y.column(3).to_vec());
    }
    assert!(matches!(Windows::new(&tokens, "token", 0), Err(DataError::Parameter { .. })));
    assert!(matches!(Windows::new(&tokens, "token", 4).unwrap().step(0), Err(DataError::Parameter { .. })));
    assert!(matches!(Windows::new(images(3), "x", 4), Err(DataError::ColumnKind { .. })));
}

/// A list of tokens as an array of one row.
trait AsRow {
    fn as_row(&self, length: usize) -> pullback::Value;
}

impl AsRow for Vec<i64> {
    fn as_row(&self, length: usize) -> pullback::Value {
        ndarray::Array2::from_shape_vec((1, length), self.clone()).unwrap().into()
    }
}

#[test]
fn parts_are_partitions_with_the_shares_of_their_fractions() {
    let digits = digits();
    let labels = digits.array::<i64, Ix1>("label").unwrap();
    let n = digits.len();
    let is_partition = |parts: &[&[usize]]| {
        let mut all: Vec<usize> = parts.concat();
        all.sort_unstable();
        all == (0..n).collect::<Vec<_>>()
    };
    let plain = rows::split(n, [0.7, 0.2, 0.1], 3).unwrap();
    assert!(is_partition(&[&plain[0], &plain[1], &plain[2]]));
    assert_eq!(plain, rows::split(n, [0.7, 0.2, 0.1], 3).unwrap());
    assert_ne!(plain, rows::split(n, [0.7, 0.2, 0.1], 4).unwrap());
    let [train, test] = rows::stratified_split(labels, [0.75, 0.25], 3).unwrap();
    assert!(is_partition(&[&train, &test]));
    let count = |rows: &[usize], class: i64| rows.iter().filter(|row| labels[**row] == class).count() as f64;
    let all: Vec<usize> = (0..n).collect();
    for class in 0..10 {
        assert!((count(&test, class) - 0.25 * count(&all, class)).abs() <= 0.5, "{class}");
    }
    for folds in [rows::folds(n, 7, 1).unwrap(), rows::stratified_folds(labels, 7, 1).unwrap()] {
        let parts: Vec<&[usize]> = folds.iter().map(|fold| &fold.validation[..]).collect();
        assert!(is_partition(&parts));
        assert!(folds.iter().all(|fold| is_partition(&[&fold.train, &fold.validation])));
        assert!(folds.iter().all(|fold| (256..=257).contains(&fold.validation.len())));
    }
    for fold in rows::stratified_folds(labels, 7, 1).unwrap() {
        assert!((0..10).all(|class| (count(&fold.validation, class) - count(&all, class) / 7.0).abs() <= 1.0));
    }
    let message = |fractions| rows::split(9, fractions, 0).unwrap_err().to_string();
    assert_eq!(message([0.5, 0.6]), "the fractions add up to 1.1, but must to 1");
    assert_eq!(message([1.5, -0.5]), "the fraction of a part is 1.5, but must be in [0, 1]");
    assert_eq!(message([f64::NAN, 0.5]), "the fraction of a part is NaN, but must be in [0, 1]");
    for n_folds in [0, 1, 10] {
        assert!(matches!(rows::folds(9, n_folds, 0), Err(DataError::Folds { .. })), "{n_folds}");
    }
    assert!(matches!(Subset::new(&digits, vec![0, n]), Err(DataError::NoRow { .. })));
}

#[test]
fn an_iterator_is_told_where_it_is_not_what_its_columns_say() {
    let column = || Column::new("x", DType::F32, (2,));
    let of = |examples: Vec<Result<Vec<pullback::Value>, &'static str>>| {
        let make = move |_| {
            let examples = examples.clone().into_iter();
            examples.map(|example| example.map_err(|why| DataError::other(why, "a cause")))
        };
        IteratorSource::new([column()], make).unwrap()
    };
    let good = || Ok(vec![vec![0.5f32, 1.5].into()]);
    let message = |examples| of(examples).batch(&[0, 1, 2], 0).map(drop).unwrap_err().to_string();
    assert_eq!(message(vec![good(), Err("the line is dead")]), "the line is dead");
    let of_column = "as column x (f32[2] an example)";
    assert_eq!(
        message(vec![good(), Ok(vec![vec![0.5f64, 1.5].into()])]),
        format!("example 1 (from 0) of the iterator has f64[2] {of_column}")
    );
    assert_eq!(message(vec![Ok(vec![])]), format!("example 0 (from 0) of the iterator has nothing {of_column}"));
    let two = vec![vec![0.5f32, 1.5].into(), 1.0f32.into()];
    assert!(message(vec![Ok(two)]).starts_with("example 0 (from 0) of the iterator has 2 arrays"));
    let source = of(vec![good(), good(), good()]);
    assert!(matches!(source.batch(&[0, 2], 0), Err(DataError::OutOfOrder { found: 2, before: 0 })));
    assert_eq!(source.batch(&[1, 2, 3, 4], 0).unwrap().len(), 2);
    // Rows that were passed are read again.
    assert_eq!(source.batch(&[0], 0).unwrap().len(), 1);
    assert_eq!(source.batch(&[9], 0).unwrap()["x"].shape(), [0, 2]);
    let twice = IteratorSource::new([column(), column()], |_| std::iter::empty());
    assert!(matches!(twice.map(drop), Err(DataError::DuplicateColumn { .. })));
    let open = IteratorSource::new([Column::new("x", DType::F32, ("n",))], |_| std::iter::empty());
    assert!(matches!(open.map(drop), Err(DataError::ColumnKind { .. })));
}
