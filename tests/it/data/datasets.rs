//! Datasets of real-valued targets, epochs by their number, standardization.

use ndarray::{Array1, Array2, array, s};
use pullback::data::{Batch, DataError, Dataset, Split, Standardization};

/// `n` examples whose only feature is their position, which is their target too.
fn numbered(n: usize) -> Dataset<f32> {
    let x = Array2::from_shape_fn((n, 1), |(row, _)| row as f32);
    Dataset::new(x, Array1::from_shape_fn(n, |row| row as f32)).unwrap()
}

#[test]
fn targets_go_with_their_examples() {
    let Split { train, test } = numbered(20).split(0.25, 3).unwrap();
    assert_eq!((train.len(), test.len()), (15, 5));
    for part in [&train, &test] {
        let epoch: Vec<Batch<f32>> = part.batches_of_epoch(4, 0, 0).unwrap().collect();
        assert!(epoch.iter().all(|batch| batch.x.column(0) == batch.y));
        assert_eq!(epoch.iter().map(|batch| batch.y.len()).sum::<usize>(), part.len());
    }
    let error = Dataset::<f32>::new(Array2::zeros((3, 2)), array![0.5]).unwrap_err();
    assert_eq!(error.to_string(), "3 examples have 1 labels");
}

#[test]
fn an_epoch_is_known_by_seed_and_number() {
    let dataset = numbered(50);
    let order = |seed, epoch| -> Vec<f32> {
        dataset.batches_of_epoch(8, seed, epoch).unwrap().flat_map(|batch| batch.y).collect()
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
    let larger: Vec<f32> = dataset.batches_of_epoch(50, 0, 1).unwrap().flat_map(|batch| batch.y).collect();
    assert_eq!(larger, orders[1]);
    assert!(matches!(dataset.batches_of_epoch(0, 0, 0), Err(DataError::EmptyBatch)));
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
    let train = Dataset::new(x, array![0, 1, 2]).unwrap();
    let test = Dataset::new(array![[3.0, 1.1, 4.0]], array![1]).unwrap();
    let (split, standardization) = Split { train, test }.standardized().unwrap();
    assert_eq!(standardization.mean(), array![3.0, 0.1, 0.0]);
    let deviations = [(14.0f64 / 3.0).sqrt() as f32, 0.0, (8.0f64 / 3.0).sqrt() as f32];
    assert_eq!(standardization.deviation().to_vec(), deviations);
    // A constant feature is only moved.
    assert_eq!(split.test.x().to_owned(), array![[0.0, 1.1 - 0.1, 4.0 / deviations[2]]]);
    assert_eq!(split.train.x().slice(s![.., 1]).to_vec(), [0.0; 3]);
    let again = Standardization::fit(&split.train);
    assert!(again.mean().iter().all(|mean| mean.abs() < 1e-6));
    // Rounding of quotients, two units in the last place.
    assert!((again.deviation()[0] - 1.0).abs() < 3e-7 && (again.deviation()[2] - 1.0).abs() < 3e-7);
}

#[test]
fn standardization_looks_at_the_number_of_features() {
    let standardization = Standardization::fit(&numbered(3));
    let error = standardization.apply(Dataset::new(array![[1.0, 2.0]], array![0]).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the examples have 2 features, but the mean is of 1");
    let none = Standardization::fit(&numbered(0));
    assert_eq!(none.apply(numbered(2)).unwrap(), numbered(2));
}
