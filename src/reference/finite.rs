//! Numbers that are none. In: arrays. Out: the first element that is NaN or infinite, and how many are. Who made it is the
//! evaluator's to say.

use ndarray::ArrayD;

use crate::graph::Value;

/// What an array has of NaN and infinity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NonFinite {
    /// Where the first is, along each axis.
    pub(super) element: Vec<usize>,
    /// The first.
    pub(super) value: f64,
    /// How many there are.
    pub(super) n_elements: usize,
}

/// The elements that are NaN or infinite, if there are any; integers and truth values are always finite.
pub(super) fn non_finite(value: &Value) -> Option<NonFinite> {
    match value {
        Value::F32(array) => search(array),
        Value::F64(array) => search(array),
        Value::I64(_) | Value::Bool(_) => None,
    }
}

fn search<T: Copy + Into<f64>>(array: &ArrayD<T>) -> Option<NonFinite> {
    let numbers = array.indexed_iter().map(|(index, x)| (index, (*x).into()));
    let mut found = numbers.filter(|(_, x): &(ndarray::IxDyn, f64)| !x.is_finite());
    let (index, value) = found.next()?;
    let element = ndarray::Dimension::slice(&index).to_vec();
    Some(NonFinite { element, value, n_elements: 1 + found.count() })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_first_is_found_and_all_are_counted() {
        assert_eq!(non_finite(&array![[1.0f64, 2.0]].into()), None);
        assert_eq!(non_finite(&array![1i64].into()), None);
        let found = non_finite(&array![[1.0f32, 2.0, f32::NEG_INFINITY], [f32::NAN, 0.0, f32::INFINITY]].into());
        assert_eq!(found, Some(NonFinite { element: vec![0, 2], value: f64::NEG_INFINITY, n_elements: 3 }));
    }
}
