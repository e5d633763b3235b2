//! Datasets of real-valued targets, epochs by their number, standardization.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Ix1, array, s};
use pullback::data::{Batch, Batching, DataError, Dataset, Split, Standardization};

use super::Table;

/// `n` examples whose only feature is their position, which is their target too.
fn numbered(n: usize) -> Dataset {
    let x = Array2::from_shape_fn((n, 1), |(row, _)| row as f32);
    table(x, Array1::from_shape_fn(n, |row| row as f32))
}

fn table(x: Array2<f32>, y: Array1<f32>) -> Dataset {
    Dataset::new().column("x", x).unwrap().column("y", y).unwrap()
}

#[test]
fn targets_go_with_their_examples() {
    let Split { train, test } = numbered(20).split(0.25, 3).unwrap();
    assert_eq!((train.len(), test.len()), (15, 5));
    for part in [&train, &test] {
        let epoch: Vec<Batch> = Batching::new(4).epoch(part, 0, 0).unwrap().map(Result::unwrap).collect();
        assert!(epoch.iter().all(|batch| {
            let (x, y): (ArrayView2<f32>, ArrayView1<f32>) = (batch.array("x").unwrap(), batch.array("y").unwrap());
            x.column(0) == y
        }));
        assert_eq!(epoch.iter().map(Batch::len).sum::<usize>(), part.len());
    }
    let rows = Dataset::new().column("x", Array2::<f32>::zeros((3, 2))).unwrap();
    let error = rows.column("y", array![0.5f32]).unwrap_err();
    assert_eq!(error.to_string(), "column `y` has 1 examples, but `x` has 3");
}

#[test]
fn an_epoch_is_known_by_seed_and_number() {
    let dataset = numbered(50);
    let order = |seed, epoch| -> Vec<f32> {
        let batches = Batching::new(8).epoch(&dataset, seed, epoch).unwrap().map(Result::unwrap);
        batches.flat_map(|batch| batch.array::<f32, Ix1>("y").unwrap().to_vec()).collect()
    };
    let orders = [order(0, 0), order(0, 1), order(1, 0), order(1, 1), order(0, u64::MAX)];
    for (position, one) in orders.iter().enumerate() {
        assert!(orders[..position].iter().all(|other| other != one), "{position}");
        let mut sorted = one.clone();
        sorted.sort_by(f32::total_cmp);
        assert_eq!(sorted, dataset.y().to_vec());
    }
    assert_eq!(order(0, 1), orders[1]);
    // The order does not depend on the size of batches.
    let larger = Batching::new(50).epoch(&dataset, 0, 1).unwrap().next().unwrap().unwrap();
    assert_eq!(larger.array::<f32, Ix1>("y").unwrap().to_vec(), orders[1]);
    assert!(matches!(Batching::new(0).epoch(&dataset, 0, 0).map(drop), Err(DataError::EmptyBatch)));
}

#[test]
fn the_first_examples_are_the_first() {
    let dataset = numbered(5);
    assert_eq!(dataset.first(2).y().to_vec(), [0.0, 1.0]);
    assert_eq!(dataset.first(0).x().dim(), (0, 1));
    assert_eq!(dataset.first(9), dataset);
}

#[test]
fn mean_and_deviation_are_of_the_training_part() {
    let x = array![[1.0, 0.1, -2.0], [2.0, 0.1, 0.0], [6.0, 0.1, 2.0]];
    let train = table(x, array![0.0, 1.0, 2.0]);
    let test = table(array![[3.0, 1.1, 4.0]], array![1.0]);
    let (split, standardization) = Split { train, test }.standardized("x").unwrap();
    assert_eq!(standardization.mean(), array![3.0, 0.1, 0.0]);
    let deviations = [(14.0f64 / 3.0).sqrt() as f32, 0.0, (8.0f64 / 3.0).sqrt() as f32];
    assert_eq!(standardization.deviation().to_vec(), deviations);
    // A constant feature is only moved.
    assert_eq!(split.test.x().to_owned(), array![[0.0, 1.1 - 0.1, 4.0 / deviations[2]]]);
    assert_eq!(split.train.x().slice(s![.., 1]).to_vec(), [0.0; 3]);
    let again = Standardization::fit(&split.train, "x").unwrap();
    assert!(again.mean().iter().all(|mean| mean.abs() < 1e-6));
    // Rounding of quotients, two units in the last place.
    assert!((again.deviation()[0] - 1.0).abs() < 3e-7 && (again.deviation()[2] - 1.0).abs() < 3e-7);
}

#[test]
fn standardization_looks_at_the_number_of_features() {
    let standardization = Standardization::fit(&numbered(3), "x").unwrap();
    let error = standardization.apply(table(array![[1.0, 2.0]], array![0.0])).unwrap_err();
    assert_eq!(error.to_string(), "the examples have 2 features, but the mean is of 1");
    let none = Standardization::fit(&numbered(0), "x").unwrap();
    assert_eq!(none.apply(numbered(2)).unwrap(), numbered(2));
}
