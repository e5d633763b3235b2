//! Sums of products told by letters. In: a string such as `"bij,bjk->bik"` and operands. Out: diagonals, sums and
//! products of two, from left to right. It does not look for a better order than the one written.

use std::collections::{BTreeMap, BTreeSet};

use super::{apply::broadcast_shapes, labelled::Labelled};
use crate::graph::{Axes, Dim, EinsumError, Expr, Graph, GraphError, Shape, Site};

/// An einsum string as it is written.
struct Written {
    operands: Vec<Subscripts>,
    /// What is behind the arrow, if there is one.
    output: Option<Subscripts>,
}

/// What stands for one array.
struct Subscripts {
    letters: Vec<char>,
    /// Before which of the letters `...` is, if it is there.
    ellipsis: Option<usize>,
}

/// A letter for each axis, those of `...` included.
struct Specification {
    operands: Vec<Vec<char>>,
    output: Vec<char>,
    /// For each operand, axes of size 1 that stretch. They have no letter and are left out: what is not there broadcasts.
    stretched: Vec<Axes>,
}

impl Graph {
    /// Einstein summation: one letter for each axis of each operand, an arrow, the letters of the result. Axes of one
    /// letter go together; letters that are not in the result are summed. A letter twice in one operand takes its
    /// diagonal. Spaces are ignored.
    ///
    /// As in NumPy, `...` stands for any number of axes, which broadcast between operands, aligned at their end; the result
    /// has them where it has `...`. Without an arrow, the result has the axes of `...` and then the letters that occur once,
    /// in the order of the alphabet, capitals first.
    ///
    /// Letters of one operand alone are summed before anything is multiplied; then operands are multiplied two at a
    /// time in the order written, each product a matrix product of as few elements as the letters allow.
    ///
    /// # Shapes
    /// | string | what it is |
    /// |---|---|
    /// | `"ij,jk->ik"` | product of matrices |
    /// | `"bij,bjk->bik"` | the same for each of a batch |
    /// | `"i,j->ij"` | outer product |
    /// | `"ii->"` | trace |
    /// | `"ij->ji"` | transpose |
    /// | `"bi,ij,bj->b"` | a quadratic form for each of a batch |
    /// | `"...ij,...jk->...ik"` | products of matrices whose batch axes broadcast |
    /// | `"ij,jk"` | `"ij,jk->ik"` |
    ///
    /// # Errors
    /// [`GraphError::Einsum`] is recorded if the string is malformed or does not fit the operands. Sizes of one letter are
    /// equal: only in the axes of `...` is 1 stretched. Where `...` has axes, a result that is written has it too.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (query, key) = (g.input("query", ("batch", "time", 8, 16)), g.input("key", ("batch", "time", 8, 16)));
    /// let scores = g.einsum("bqhd,bkhd->bhqk", &[query, key]);
    /// assert_eq!(scores.shape().to_string(), "[batch, 8, time, time]");
    /// ```
    #[doc(alias("einops", "rearrange"))]
    #[track_caller]
    pub fn einsum<'g>(&'g self, specification: &str, operands: &[Expr<'g>]) -> Expr<'g> {
        let _frame = self.enter("einsum", Site::caller());
        if let Some(poison) = self.refuse(operands) {
            return poison;
        }
        let shapes: Vec<Shape> = operands.iter().map(Expr::shape).collect();
        match Written::parse(specification).and_then(|written| written.settle(&shapes)) {
            Ok(settled) => settled.build(operands),
            Err(error) => self.report(GraphError::Einsum { specification: specification.to_string(), error }, operands),
        }
    }
}

impl Written {
    fn parse(text: &str) -> Result<Written, EinsumError> {
        let text: String = text.split_whitespace().collect();
        let (operands, output) = match text.split_once("->") {
            Some((operands, output)) => (operands, Some(Subscripts::parse(output)?)),
            None => (text.as_str(), None),
        };
        let operands: Result<_, _> = operands.split(',').map(Subscripts::parse).collect();
        Ok(Written { operands: operands?, output })
    }

    /// A letter for each axis of operands of these shapes.
    fn settle(&self, shapes: &[Shape]) -> Result<Specification, EinsumError> {
        if shapes.len() != self.operands.len() {
            return Err(EinsumError::OperandCount { named: self.operands.len(), found: shapes.len() });
        }
        let mut common = Shape::default();
        for (operand, (term, shape)) in self.operands.iter().zip(shapes).enumerate() {
            let right = term.open(operand, shape)?;
            common = broadcast_shapes(&common, &right).ok_or(EinsumError::NotBroadcastable { left: common, right })?;
        }
        let mut settled =
            Specification { operands: Vec::new(), output: self.output(common.rank())?, stretched: Vec::new() };
        for (term, shape) in self.operands.iter().zip(shapes) {
            let (letters, stretched) = term.letters_of(shape, &common);
            settled.operands.push(letters);
            settled.stretched.push(stretched);
        }
        settled.fit(shapes)?;
        Ok(settled)
    }

    /// The letters of the result, where `...` stands for `n_open` axes.
    fn output(&self, n_open: usize) -> Result<Vec<char>, EinsumError> {
        match &self.output {
            Some(term) if term.ellipsis.is_none() && n_open > 0 => Err(EinsumError::LostEllipsis),
            Some(term) => Ok(term.spelled(&open_letters(n_open))),
            None => {
                let letters: Vec<char> = self.operands.iter().flat_map(|term| &term.letters).copied().collect();
                let is_once = |letter: &char| letters.iter().filter(|other| *other == letter).count() == 1;
                let once: BTreeSet<char> = letters.iter().copied().filter(is_once).collect();
                Ok(open_letters(n_open).into_iter().chain(once).collect())
            }
        }
    }
}

/// Letters that nobody writes, because they are none.
fn open_letters(n_open: usize) -> Vec<char> {
    ('\u{E000}'..).take(n_open).collect()
}

impl Subscripts {
    fn parse(text: &str) -> Result<Subscripts, EinsumError> {
        match text.split_once("...") {
            None => Ok(Subscripts { letters: letters(text)?, ellipsis: None }),
            Some((_, after)) if after.contains("...") => Err(EinsumError::RepeatedEllipsis(text.to_string())),
            Some((before, after)) => {
                let (before, after) = (letters(before)?, letters(after)?);
                Ok(Subscripts { ellipsis: Some(before.len()), letters: [before, after].concat() })
            }
        }
    }

    /// The sizes of the axes that `...` stands for.
    fn open(&self, operand: usize, shape: &Shape) -> Result<Shape, EinsumError> {
        let n_letters = self.letters.len();
        match (shape.rank().checked_sub(n_letters), self.ellipsis) {
            (Some(0), None) => Ok(Shape::default()),
            (Some(n_open), Some(start)) => Ok(shape[start..start + n_open].into()),
            (Some(_), None) | (None, _) => Err(EinsumError::Rank { operand, rank: shape.rank(), letters: n_letters }),
        }
    }

    /// The letters with others in place of `...`.
    fn spelled(&self, open: &[char]) -> Vec<char> {
        match self.ellipsis {
            Some(start) => [&self.letters[..start], open, &self.letters[start..]].concat(),
            None => self.letters.clone(),
        }
    }

    /// The letters of an array of this shape without its axes that stretch to `common`, and these axes.
    fn letters_of(&self, shape: &Shape, common: &Shape) -> (Vec<char>, Axes) {
        let n_open = shape.rank() - self.letters.len();
        let (start, missing) = (self.ellipsis.unwrap_or(0), common.rank() - n_open);
        let does_stretch = |axis: &usize| shape[*axis].is(1) && !common[missing + axis - start].is(1);
        let stretched: Axes = (start..start + n_open).filter(does_stretch).collect();
        let letters = self.spelled(&open_letters(common.rank())[missing..]);
        let kept = letters.into_iter().enumerate().filter(|(axis, _)| !stretched.contains(axis));
        (kept.map(|(_, letter)| letter).collect(), stretched)
    }
}

impl Specification {
    /// That axes of one letter are of one size, and that the result has each of its letters once and from an operand.
    fn fit(&self, shapes: &[Shape]) -> Result<(), EinsumError> {
        let shapes: Vec<Shape> = shapes.iter().zip(&self.stretched).map(|(shape, axes)| shape.without(axes)).collect();
        let mut sizes: BTreeMap<char, &Dim> = BTreeMap::new();
        for (letters, shape) in self.operands.iter().zip(&shapes) {
            for (letter, size) in letters.iter().zip(shape.iter()) {
                let known = *sizes.entry(*letter).or_insert(size);
                if known != size {
                    let (left, right) = (known.clone(), size.clone());
                    return Err(EinsumError::SizesDiffer { letter: *letter, left, right });
                }
            }
        }
        for (position, letter) in self.output.iter().enumerate() {
            if !sizes.contains_key(letter) {
                return Err(EinsumError::UnknownOutput(*letter));
            }
            if self.output[..position].contains(letter) {
                return Err(EinsumError::RepeatedOutput(*letter));
            }
        }
        Ok(())
    }

    fn build<'g>(&self, operands: &[Expr<'g>]) -> Expr<'g> {
        let mut parts = (0..operands.len()).map(|index| {
            let others = |letter: char| self.is_in(letter, 0..index) || self.is_in(letter, index + 1..operands.len());
            let operand = operands[index].reshape(operands[index].shape().without(&self.stretched[index]));
            let part = Labelled::new(operand, self.operands[index].clone()).diagonal();
            part.sum_unless(|letter| self.output.contains(&letter) || others(letter))
        });
        let first = parts.next().expect("invariant: as many operands as the string names, at least one");
        let product = (1..).zip(parts).fold(first, |product, (index, part)| {
            let is_needed = |letter| self.output.contains(&letter) || self.is_in(letter, index + 1..operands.len());
            product.contract(part, is_needed)
        });
        product.arrange(&self.output)
    }

    fn is_in(&self, letter: char, operands: std::ops::Range<usize>) -> bool {
        self.operands[operands].iter().any(|letters| letters.contains(&letter))
    }
}

fn letters(text: &str) -> Result<Vec<char>, EinsumError> {
    text.chars().map(|c| if c.is_alphabetic() { Ok(c) } else { Err(EinsumError::NotALetter(c)) }).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::{
        graph::{Bindings, DType, Value},
        ops::{
            sample::reals,
            testing::{evaluate, value},
        },
    };

    /// The definition: every value of every letter, added to its place in the result.
    fn by_loops(specification: &str, operands: &[Value]) -> ArrayD<f64> {
        let shapes: Vec<Shape> = operands.iter().map(|operand| operand.shape().into()).collect();
        let parsed = Written::parse(specification).unwrap().settle(&shapes).unwrap();
        let sizes: BTreeMap<char, usize> = (parsed.operands.iter().zip(operands))
            .flat_map(|(letters, operand)| letters.iter().copied().zip(operand.shape().iter().copied()))
            .collect();
        let letter_sizes: Vec<usize> = sizes.values().copied().collect();
        let place = |letters: &[char], index: &IxDyn| {
            let position = |letter: &char| index[sizes.keys().position(|key| key == letter).unwrap()];
            IxDyn(&letters.iter().map(position).collect::<Vec<usize>>())
        };
        let shape: Vec<usize> = parsed.output.iter().map(|letter| sizes[letter]).collect();
        let mut sum = ArrayD::zeros(IxDyn(&shape));
        for (index, ()) in ArrayD::from_elem(IxDyn(&letter_sizes), ()).indexed_iter() {
            let factors = parsed
                .operands
                .iter()
                .zip(operands)
                .map(|(letters, x)| x.array::<f64>().unwrap()[place(letters, &index)]);
            sum[place(&parsed.output, &index)] += factors.product::<f64>();
        }
        sum
    }

    #[test]
    fn einsums_equal_their_definition() {
        let cases: [(&str, &[&[usize]]); 20] = [
            ("ij,jk->ik", &[&[2, 3], &[3, 4]]),
            ("bij,bjk->bik", &[&[2, 2, 3], &[2, 3, 4]]),
            ("bqhd, bkhd -> bhqk", &[&[2, 3, 2, 4], &[2, 5, 2, 4]]),
            ("i,j->ij", &[&[2], &[3]]),
            ("i,j->ji", &[&[2], &[3]]),
            ("ij,ij->ij", &[&[2, 3], &[2, 3]]),
            ("ij,ji->ij", &[&[2, 3], &[3, 2]]),
            ("ij->ji", &[&[2, 3]]),
            ("ij->", &[&[2, 3]]),
            ("ij,kl->", &[&[2, 3], &[4, 1]]),
            ("ii->", &[&[3, 3]]),
            ("ii->i", &[&[3, 3]]),
            ("iji->j", &[&[3, 2, 3]]),
            ("jiii->ij", &[&[2, 3, 3, 3]]),
            ("iijj->ji", &[&[2, 2, 3, 3]]),
            ("bi,ij,bj->b", &[&[2, 3], &[3, 4], &[2, 4]]),
            ("ab,bc,cd->da", &[&[2, 3], &[3, 4], &[4, 2]]),
            ("a,a,a->a", &[&[3], &[3], &[3]]),
            ("ij,jk->ik", &[&[2, 0], &[0, 3]]),
            (",i->i", &[&[], &[3]]),
        ];
        for (specification, shapes) in cases {
            let g = Graph::new();
            let values: Vec<Value> =
                (0..).zip(shapes).map(|(n, shape)| reals(shape, -1.0, 1.5 + f64::from(n))).collect();
            let operands: Vec<Expr> = values.iter().map(|value| g.constant(value.clone())).collect();
            let got = value(g.einsum(specification, &operands));
            let (got, want): (&ArrayD<f64>, _) = (got.array().unwrap(), by_loops(specification, &values));
            assert_eq!(got.shape(), want.shape(), "{specification}");
            // Sums of at most 24 products below 9, in another order.
            assert!((got - &want).iter().all(|error| error.abs() < 1e-13), "{specification}");
        }
    }

    #[test]
    fn a_diagonal_may_be_of_symbolic_size() {
        let g = Graph::new();
        let n = Dim::symbol("n");
        let square = g.iota(DType::F64, (n.clone() * n.clone(),), 0).reshape((n.clone(), n));
        let trace = g.einsum("ii->", &[square]);
        for (n, sum) in [(0, 0.0), (1, 0.0), (3, 12.0)] {
            let bindings = Bindings::from([("n".into(), n)]);
            assert_eq!(evaluate(trace, &bindings), Ok(Value::from(sum)));
        }
    }

    #[test]
    fn problems_are_told() {
        let cases = [
            ("i.,jk->ik", EinsumError::NotALetter('.')),
            ("i..j,jk->ik", EinsumError::NotALetter('.')),
            ("i....,jk->ik", EinsumError::NotALetter('.')),
            ("...i...,jk->ik", EinsumError::RepeatedEllipsis("...i...".into())),
            ("i...,jk->ik", EinsumError::LostEllipsis),
            ("...,...->...", EinsumError::NotBroadcastable { left: Shape::from((2, 3)), right: Shape::from((3, 4)) }),
            ("...ijk,jk->i", EinsumError::Rank { operand: 0, rank: 2, letters: 3 }),
            ("ij,ik", EinsumError::SizesDiffer { letter: 'i', left: Dim::from(2), right: Dim::from(3) }),
            ("ij->j", EinsumError::OperandCount { named: 1, found: 2 }),
            ("ij,j->i", EinsumError::Rank { operand: 1, rank: 2, letters: 1 }),
            ("ij,ik->jk", EinsumError::SizesDiffer { letter: 'i', left: Dim::from(2), right: Dim::from(3) }),
            ("ij,jk->il", EinsumError::UnknownOutput('l')),
            ("ij,jk->ii", EinsumError::RepeatedOutput('i')),
        ];
        for (specification, expected) in cases {
            let g = Graph::new();
            let (x, y) = (g.input("x", (2, 3)), g.input("y", (3, 4)));
            assert!(g.einsum(specification, &[x, y]).is_poisoned());
            let found = g.check().unwrap_err().0.remove(0).error;
            assert_eq!(found, GraphError::Einsum { specification: specification.into(), error: expected });
        }
    }
}
