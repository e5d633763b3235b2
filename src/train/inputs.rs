//! Whether a dataset can feed a loss. In: the names for rows and labels, and what a program declares. Out: nothing, or the
//! input that is misspelt, of another type, or one too many.

use super::TrainError;
use crate::{
    graph::{DType, Type},
    names,
    program::Declaration,
};

/// Checks that rows and labels have inputs of their types, and that nothing else is needed. An input that nothing needs may
/// be fed, since a dataset has labels even where a loss has no use for them.
pub(super) fn check(names: [&str; 2], declared: &[Declaration]) -> Result<(), TrainError> {
    let find = |name: &str| {
        let unknown = || TrainError::UnknownInput {
            name: name.to_owned(),
            nearest: names::nearest(name, declared.iter().map(|input| input.name.as_str())),
        };
        declared.iter().find(|input| input.name == name).ok_or_else(unknown)
    };
    let [rows, labels] = [find(names[0])?, find(names[1])?];
    if names[0] == names[1] {
        return Err(TrainError::SameInput { name: rows.name.clone() });
    }
    let is_rows = |ty: &Type| ty.dtype == DType::F32 && ty.rank() == 2;
    check_that(rows, is_rows(&rows.ty), "rows", "f32 of two axes: cast or reshape in the graph")?;
    let is_labels = |ty: &Type| matches!(ty.dtype, DType::I64 | DType::F32) && ty.rank() == 1;
    check_that(labels, is_labels(&labels.ty), "labels or targets", "i64 or f32 of one axis")?;
    let third = declared.iter().find(|input| input.is_needed && !names.contains(&input.name.as_str()));
    match third {
        Some(Declaration { name, ty, site, .. }) => {
            Err(TrainError::ThirdInput { name: name.clone(), ty: ty.clone(), site: *site })
        }
        None => Ok(()),
    }
}

fn check_that(input: &Declaration, is_met: bool, what: &'static str, expected: &'static str) -> Result<(), TrainError> {
    if is_met {
        return Ok(());
    }
    let Declaration { name, ty, site, .. } = input;
    Err(TrainError::InputType { name: name.clone(), ty: ty.clone(), site: *site, what, expected })
}
