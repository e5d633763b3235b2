//! Sums of products told by letters. In: a string such as `"bij,bjk->bik"` and operands. Out: diagonals, sums and
//! products of two, from left to right. It does not look for a better order than the one written.

use std::collections::BTreeMap;

use super::labelled::Labelled;
use crate::graph::{Dim, EinsumProblem, Expr, Graph, Mistake, Shape, Site};

/// The letters of an einsum string.
struct Specification {
    operands: Vec<Vec<char>>,
    output: Vec<char>,
}

impl Graph {
    /// Einstein summation: one letter for each axis of each operand, an arrow, the letters of the result. Axes of one
    /// letter go together; letters that are not in the result are summed. A letter twice in one operand takes its
    /// diagonal. Spaces are ignored; the arrow is required.
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
    ///
    /// # Errors
    /// [`Mistake::Einsum`] is recorded if the string is malformed or does not fit the operands. Sizes of one letter are
    /// equal: 1 is not stretched.
    ///
    /// # Example
    /// ```
    /// # use pullback::Graph;
    /// let g = Graph::new();
    /// let (query, key) = (g.input("query", ("batch", "time", 8, 16)), g.input("key", ("batch", "time", 8, 16)));
    /// let scores = g.einsum("bqhd,bkhd->bhqk", &[query, key]);
    /// assert_eq!(scores.shape().to_string(), "[batch, 8, time, time]");
    /// ```
    #[track_caller]
    pub fn einsum<'g>(&'g self, specification: &str, operands: &[Expr<'g>]) -> Expr<'g> {
        let _frame = self.enter("einsum", Site::caller());
        if let Some(poison) = self.refuse(operands) {
            return poison;
        }
        let shapes: Vec<Shape> = operands.iter().map(Expr::shape).collect();
        match Specification::parse(specification).and_then(|parsed| parsed.fit(&shapes).map(|()| parsed)) {
            Ok(parsed) => parsed.build(operands),
            Err(problem) => {
                self.report(Mistake::Einsum { specification: specification.to_string(), problem }, operands)
            }
        }
    }
}

impl Specification {
    fn parse(text: &str) -> Result<Specification, EinsumProblem> {
        let text: String = text.split_whitespace().collect();
        let (operands, output) = text.split_once("->").ok_or(EinsumProblem::NoArrow)?;
        let operands: Result<_, _> = operands.split(',').map(letters).collect();
        Ok(Specification { operands: operands?, output: letters(output)? })
    }

    /// That the letters fit operands of these shapes.
    fn fit(&self, shapes: &[Shape]) -> Result<(), EinsumProblem> {
        if shapes.len() != self.operands.len() {
            return Err(EinsumProblem::OperandCount { named: self.operands.len(), found: shapes.len() });
        }
        let mut sizes: BTreeMap<char, &Dim> = BTreeMap::new();
        for (operand, (letters, shape)) in self.operands.iter().zip(shapes).enumerate() {
            if letters.len() != shape.rank() {
                return Err(EinsumProblem::Rank { operand, rank: shape.rank(), letters: letters.len() });
            }
            for (letter, size) in letters.iter().zip(shape.iter()) {
                let known = *sizes.entry(*letter).or_insert(size);
                if known != size {
                    let (left, right) = (known.clone(), size.clone());
                    return Err(EinsumProblem::SizesDiffer { letter: *letter, left, right });
                }
            }
        }
        for (position, letter) in self.output.iter().enumerate() {
            if !sizes.contains_key(letter) {
                return Err(EinsumProblem::UnknownOutput(*letter));
            }
            if self.output[..position].contains(letter) {
                return Err(EinsumProblem::RepeatedOutput(*letter));
            }
        }
        Ok(())
    }

    fn build<'g>(&self, operands: &[Expr<'g>]) -> Expr<'g> {
        let mut parts = (0..operands.len()).map(|own| {
            let others = |letter: char| self.is_in(letter, 0..own) || self.is_in(letter, own + 1..operands.len());
            let part = Labelled::new(operands[own], self.operands[own].clone()).diagonal();
            part.sum_unless(|letter| self.output.contains(&letter) || others(letter))
        });
        let first = parts.next().expect("invariant: as many operands as the string names, at least one");
        let product = (1..).zip(parts).fold(first, |product, (own, part)| {
            let is_needed = |letter| self.output.contains(&letter) || self.is_in(letter, own + 1..operands.len());
            product.contract(part, is_needed)
        });
        product.arrange(&self.output)
    }

    fn is_in(&self, letter: char, operands: std::ops::Range<usize>) -> bool {
        self.operands[operands].iter().any(|letters| letters.contains(&letter))
    }
}

fn letters(text: &str) -> Result<Vec<char>, EinsumProblem> {
    text.chars().map(|c| if c.is_alphabetic() { Ok(c) } else { Err(EinsumProblem::NotALetter(c)) }).collect()
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
        let parsed = Specification::parse(specification).unwrap();
        let sizes: BTreeMap<char, usize> = (parsed.operands.iter().zip(operands))
            .flat_map(|(letters, operand)| letters.iter().copied().zip(operand.shape().iter().copied()))
            .collect();
        let all: Vec<usize> = sizes.values().copied().collect();
        let place = |letters: &[char], at: &IxDyn| {
            let one = |letter: &char| at[sizes.keys().position(|key| key == letter).unwrap()];
            IxDyn(&letters.iter().map(one).collect::<Vec<usize>>())
        };
        let shape: Vec<usize> = parsed.output.iter().map(|letter| sizes[letter]).collect();
        let mut sum = ArrayD::zeros(IxDyn(&shape));
        for (at, ()) in ArrayD::from_elem(IxDyn(&all), ()).indexed_iter() {
            let factors =
                parsed.operands.iter().zip(operands).map(|(letters, x)| x.array::<f64>().unwrap()[place(letters, &at)]);
            sum[place(&parsed.output, &at)] += factors.product::<f64>();
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
            ("ij,jk", EinsumProblem::NoArrow),
            ("i.,jk->ik", EinsumProblem::NotALetter('.')),
            ("ij->j", EinsumProblem::OperandCount { named: 1, found: 2 }),
            ("ij,j->i", EinsumProblem::Rank { operand: 1, rank: 2, letters: 1 }),
            ("ij,ik->jk", EinsumProblem::SizesDiffer { letter: 'i', left: Dim::from(2), right: Dim::from(3) }),
            ("ij,jk->il", EinsumProblem::UnknownOutput('l')),
            ("ij,jk->ii", EinsumProblem::RepeatedOutput('i')),
        ];
        for (specification, problem) in cases {
            let g = Graph::new();
            let (x, y) = (g.input("x", (2, 3)), g.input("y", (3, 4)));
            assert!(g.einsum(specification, &[x, y]).is_poisoned());
            let told = g.check().unwrap_err().0.remove(0).mistake;
            assert_eq!(told, Mistake::Einsum { specification: specification.into(), problem });
        }
    }
}
