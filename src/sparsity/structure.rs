//! The entries of a sparse derivative for given sizes, and the program that computes them. In: a graph and what is fed. Out: a pattern, a
//! program, and how its results are added up.

use ndarray::{ArrayD, ArrayViewMutD, IxDyn};
use smallvec::SmallVec;

use super::{
    Entries, Recipe, SparseKind,
    assembly::{Assembly, Number, Part},
    coloring::{Adjacency, Coloring, distance_two, recovery, star},
    error::SparsityError,
    pattern::SparsityPattern,
    positions::Positions,
    sets::{self, Moves},
    terms::MAX_TERMS,
};
use crate::{
    graph::{Bindings, Constant, DType, Dim, Element, Expr, Literal, NodeId, Op, Shape, Type, Value},
    parameters::Parameters,
    program::{AsParameters, Inputs, Program, RunError, Runner},
};

/// A term may have so many times more elements than there are entries.
const MAX_EXCESS: usize = 8;

/// Entries, and what computes them.
#[derive(Debug)]
pub(super) struct Structure {
    pattern: SparsityPattern,
    kind: SparseKind,
    /// None where all is known beforehand.
    program: Option<Program>,
    /// The results of the program, by name.
    arrays: Vec<(String, Value)>,
    assembly: Assembly,
    /// The directions of products, by the name of their input.
    seeds: Option<(String, Value)>,
    /// What the structure was made for.
    fed: Vec<Fed>,
}

/// An input when the structure was made, with its elements if they decide where entries are.
#[derive(Debug)]
struct Fed {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    elements: Option<Value>,
}

/// A place in the matrix.
type Place = (u32, u32);

impl Structure {
    pub(super) fn new(
        recipe: &Recipe,
        parameters: &Parameters,
        inputs: &dyn Inputs,
    ) -> Result<Structure, SparsityError> {
        let by_terms = match &recipe.terms {
            Some(terms) => Structure::by_terms(recipe, terms, parameters, inputs)?,
            None => None,
        };
        match by_terms {
            Some(structure) => Ok(structure),
            None => Structure::by_coloring(recipe, parameters, inputs),
        }
    }

    pub(super) fn pattern(&self) -> &SparsityPattern {
        &self.pattern
    }

    pub(super) fn kind(&self) -> SparseKind {
        self.kind
    }

    pub(super) fn program(&self) -> Option<&Runner> {
        self.program.as_deref()
    }

    /// By terms, unless they have many times more elements than there are entries.
    fn by_terms(
        recipe: &Recipe,
        terms: &[[NodeId; 3]],
        parameters: &Parameters,
        inputs: &dyn Inputs,
    ) -> Result<Option<Structure>, SparsityError> {
        let graph = &recipe.graph;
        let exprs = |position: usize| terms.iter().map(move |term| graph.expr(term[position]));
        let wanted: Vec<Expr<'_>> = exprs(0).chain(exprs(1)).collect();
        let mut known = Known::new(recipe, &wanted, parameters, inputs)?;
        let mut n_elements = 0usize;
        for rows in exprs(0) {
            n_elements = n_elements.saturating_add(sets::n_elements(rows, &known.bindings)?);
        }
        let is_too_many = |n_entries: usize| n_elements > MAX_EXCESS.saturating_mul(n_entries + terms.len());
        if is_too_many(known.n_rows.saturating_mul(known.n_columns)) {
            return Ok(None);
        }
        let tables = known.tables(wanted.len(), parameters, inputs)?;
        let (rows, columns) = tables.split_at(terms.len());
        let is_wanted = |place: &Place| recipe.entries == Entries::All || place.0 >= place.1;
        let place = |(row, column): (&i64, &i64)| -> Option<Place> {
            Some((u32::try_from(*row).ok()?, u32::try_from(*column).ok()?)).filter(is_wanted)
        };
        let pairs = rows.iter().zip(columns);
        let places: Vec<Option<Place>> =
            pairs.flat_map(|(rows, columns)| rows.iter().zip(columns).map(place)).collect();
        let (pattern, numbers) = SparsityPattern::of_entries((known.n_rows, known.n_columns), &places);
        if is_too_many(pattern.n_entries()) {
            return Ok(None);
        }
        let mut rest = &numbers[..];
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        for (rows, value) in rows.iter().zip(exprs(2)) {
            let (part, others) = rest.split_at(rows.len());
            rest = others;
            if part.iter().any(Option::is_some) {
                parts.push(part);
                values.push(value);
            }
        }
        let kind = SparseKind::Terms(values.len());
        known.finish(recipe, (pattern, kind), (&values, &parts), None).map(Some)
    }

    /// By products with a direction for each color.
    fn by_coloring(recipe: &Recipe, parameters: &Parameters, inputs: &dyn Inputs) -> Result<Structure, SparsityError> {
        let graph = &recipe.graph;
        let _frame = graph.reenter(recipe.frame.clone());
        let (y, x) = (graph.expr(recipe.y), graph.expr(recipe.x));
        let positions = Positions::new(graph);
        let moves = Moves::new(y, x, &positions);
        graph.check()?;
        let mut known = Known::new(recipe, moves.expressions(), parameters, inputs)?;
        let tables = known.tables(moves.expressions().len(), parameters, inputs)?;
        let (sets, of_rows) = moves.sets(&tables, &known.bindings)?;
        let mut places: Vec<Place> = Vec::new();
        for (row, set) in of_rows.iter().enumerate() {
            places.extend(sets.get(*set).iter().map(|column| (row as u32, *column)));
        }
        let extent = (known.n_rows, known.n_columns);
        let colored = match recipe.entries {
            Entries::All => Colored::jacobian(extent, places),
            Entries::LowerOfHessian => Colored::hessian(extent, places),
        };
        let (seeded, n_others) = match colored.side {
            Side::Columns => (x, known.n_rows),
            Side::Rows => (y, known.n_columns),
        };
        let seeds = colored.coloring.seeds(seeded.dtype(), &sets::sizes(seeded, &known.bindings)?);
        let (name, products) = products((y, x), (seeded, &seeds), colored.side);
        graph.check()?;
        let n_colors = colored.coloring.n_colors;
        let mut entries: Vec<Option<u32>> = vec![None; n_colors * n_others];
        for (entry, (element, color)) in colored.sums.iter().enumerate() {
            entries[*color as usize * n_others + element] = Some(entry as u32);
        }
        let kind = match colored.side {
            Side::Columns => SparseKind::ColumnColors(n_colors),
            Side::Rows => SparseKind::RowColors(n_colors),
        };
        known.finish(recipe, (colored.pattern, kind), (&[products], &[&entries]), Some((name, seeds)))
    }

    /// That what is fed is of the sizes, and has the integers, that the structure was made for.
    pub(super) fn check(&self, inputs: &dyn Inputs) -> Result<(), SparsityError> {
        let mut wrong = None;
        inputs.each(&mut |name, view| {
            if let Some(fed) = self.fed.iter().find(|fed| fed.name == name) {
                if view.shape() != fed.shape {
                    let (expected, found) = (Type::new(fed.dtype, &fed.shape[..]), view.ty());
                    wrong.get_or_insert(SparsityError::OtherInput { name: name.into(), expected, found });
                } else if fed.elements.as_ref().is_some_and(|elements| elements.view() != view) {
                    wrong.get_or_insert(SparsityError::OtherElements { name: name.into() });
                }
            }
            Ok(())
        })?;
        wrong.map_or(Ok(()), Err)
    }

    pub(super) fn run(&mut self, parameters: impl AsParameters, inputs: &dyn Inputs) -> Result<(), RunError> {
        match (&mut self.program, &self.seeds) {
            (Some(program), Some((name, seeds))) => {
                program.run_into(parameters, (inputs, (name.as_str(), seeds)), &mut self.arrays)
            }
            (Some(program), None) => program.run_into(parameters, inputs, &mut self.arrays),
            (None, _) => Ok(()),
        }
    }

    /// Adds up what the program computed.
    pub(super) fn add_up<T: Element + Number>(&self, mut values: ArrayViewMutD<'_, T>) {
        let elements = self.arrays.iter().map(|(_, array)| T::elements(array.view()));
        let arrays: Option<SmallVec<[&[T]; MAX_TERMS]>> = elements.collect();
        let arrays = arrays.expect("invariant: results are of the dtype of the derivative");
        match values.as_slice_mut() {
            Some(values) => self.assembly.add_up(&arrays, values),
            None => {
                let mut sums = vec![T::default(); values.len()];
                self.assembly.add_up(&arrays, &mut sums);
                values.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum);
            }
        }
    }
}

/// What is known of the numbers: sizes, and where elements are.
struct Known {
    /// Computes positions.
    program: Program,
    bindings: Bindings,
    n_rows: usize,
    n_columns: usize,
    fed: Vec<Fed>,
}

impl Known {
    /// For expressions of positions.
    fn new(
        recipe: &Recipe,
        positions: &[Expr<'_>],
        parameters: &Parameters,
        inputs: &dyn Inputs,
    ) -> Result<Known, SparsityError> {
        let graph = &recipe.graph;
        let (y, x) = (graph.expr(recipe.y), graph.expr(recipe.x));
        let _frame = graph.reenter(recipe.frame.clone());
        // The sizes are asked for so that all are known.
        let sizes = [("rows", y), ("columns", x)]
            .map(|(name, expr)| (name.to_owned(), graph.dim_size(expr.shape().size(), DType::I64)));
        let mut results: Vec<(String, Expr<'_>)> = named(positions);
        results.extend(sizes);
        let program = graph.compile_with(results, &recipe.options)?;
        let (_, _, bindings) = program.point(parameters, inputs)?;
        let (n_rows, n_columns) = (sets::n_elements(y, &bindings)?, sets::n_elements(x, &bindings)?);
        let n_elements = n_rows.max(n_columns);
        if u32::try_from(n_elements).is_err() {
            return Err(SparsityError::TooLarge { n_elements });
        }
        let mut fed = Vec::new();
        inputs.each(&mut |name, view| {
            let is_read = !view.dtype().is_float() && program.inputs().any(|(needed, _)| needed == name);
            let elements = is_read.then(|| view.to_value());
            fed.push(Fed { name: name.into(), dtype: view.dtype(), shape: view.shape().to_vec(), elements });
            Ok(())
        })?;
        Ok(Known { program, bindings, n_rows, n_columns, fed })
    }

    /// The positions, flat.
    fn tables(
        &mut self,
        n_tables: usize,
        parameters: &Parameters,
        inputs: &dyn Inputs,
    ) -> Result<Vec<Vec<i64>>, SparsityError> {
        let mut found = self.program.run(parameters, inputs)?;
        let mut table = |number: usize| {
            let array = found.take::<i64>(&number.to_string()).expect("invariant: positions are results");
            array.into_raw_vec_and_offset().0
        };
        Ok((0..n_tables).map(&mut table).collect())
    }

    /// The structure whose values are made of these results, whose elements are added to these entries.
    fn finish(
        self,
        recipe: &Recipe,
        (pattern, kind): (SparsityPattern, SparseKind),
        (results, entries): (&[Expr<'_>], &[&[Option<u32>]]),
        seeds: Option<(String, Value)>,
    ) -> Result<Structure, SparsityError> {
        let simplified = recipe.graph.simplify(named(results), &recipe.options.rewrites)?;
        let (mut parts, mut computed) = (Vec::new(), Vec::new());
        for ((result, (_, simple)), entries) in results.iter().zip(&simplified.results).zip(entries) {
            match constant(simplified.graph.expr(*simple)) {
                Some(number) => parts.push(Part::Constant(entries, number)),
                None => {
                    parts.push(Part::Array(entries));
                    computed.push(*result);
                }
            }
        }
        let assembly = Assembly::new(&parts, pattern.n_entries());
        let program = match computed[..] {
            [] => None,
            _ => Some(recipe.graph.compile_with(named(&computed), &recipe.options)?),
        };
        let mut arrays = Vec::with_capacity(computed.len());
        for (name, result) in named(&computed) {
            arrays.push((name, Value::zeros(result.dtype(), &sets::sizes(result, &self.bindings)?)));
        }
        Ok(Structure { pattern, kind, program, arrays, assembly, seeds, fed: self.fed })
    }
}

/// The number that all elements of an array are, if they are one that is written in the graph.
fn constant(result: Expr<'_>) -> Option<f64> {
    match result.op() {
        Op::Constant(Constant { value: Literal::Number(number), .. }) => Some(number),
        _ => None,
    }
}

/// Results with their numbers as names.
fn named<'g>(results: &[Expr<'g>]) -> Vec<(String, Expr<'g>)> {
    results.iter().enumerate().map(|(number, result)| (number.to_string(), *result)).collect()
}

/// What is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Columns,
    Rows,
}

/// A pattern with a coloring that tells its entries apart.
struct Colored {
    pattern: SparsityPattern,
    coloring: Coloring,
    side: Side,
    /// For each entry the element of the sum, and the color, that has it alone.
    sums: Vec<(usize, u32)>,
}

impl Colored {
    /// By columns or by rows, whichever takes fewer colors.
    fn jacobian(extent: (usize, usize), places: Vec<Place>) -> Colored {
        let (pattern, _) = SparsityPattern::of_entries(extent, &all(places));
        let (columns, rows) = (Adjacency::of_columns(&pattern), Adjacency::of_rows(&pattern));
        let (by_columns, by_rows) = (distance_two(&columns, &rows), distance_two(&rows, &columns));
        let (coloring, side) = match by_rows.n_colors < by_columns.n_colors {
            true => (by_rows, Side::Rows),
            false => (by_columns, Side::Columns),
        };
        let sum = |(row, column): (usize, usize)| match side {
            Side::Columns => (row, coloring.colors[column]),
            Side::Rows => (column, coloring.colors[row]),
        };
        let sums = pattern.triplets().map(sum).collect();
        Colored { pattern, coloring, side, sums }
    }

    /// The lower triangle, from columns of a star coloring.
    fn hessian(extent: (usize, usize), places: Vec<Place>) -> Colored {
        let mirrored: Vec<Place> = places.iter().map(|(row, column)| (*column, *row)).collect();
        let lower = places.iter().chain(&mirrored).copied().filter(|(row, column)| row >= column).collect();
        let (whole, _) = SparsityPattern::of_entries(extent, &all([places, mirrored].concat()));
        let (pattern, _) = SparsityPattern::of_entries(extent, &all(lower));
        let columns = Adjacency::of_columns(&whole);
        let coloring = star(&columns);
        let sums = pattern.triplets().map(|place| recovery(&columns, &coloring, place)).collect();
        Colored { pattern, coloring, side: Side::Columns, sums }
    }
}

fn all(places: Vec<Place>) -> Vec<Option<Place>> {
    places.into_iter().map(Some).collect()
}

impl Coloring {
    /// Directions of an array of this shape: 1 at the elements of one color, 0 elsewhere, for one color after another.
    fn seeds(&self, dtype: DType, shape: &[usize]) -> Value {
        let n_elements = self.colors.len();
        let mut seeds = vec![0.0; self.n_colors * n_elements];
        for (element, color) in self.colors.iter().enumerate() {
            seeds[*color as usize * n_elements + element] = 1.0;
        }
        let sizes: Vec<usize> = std::iter::once(self.n_colors).chain(shape.iter().copied()).collect();
        let seeds = ArrayD::from_shape_vec(IxDyn(&sizes), seeds).expect("invariant: a color for each element");
        if dtype == DType::F32 { seeds.mapv(|seed| seed as f32).into() } else { seeds.into() }
    }
}

/// The products of the derivative with directions that are fed, and the name of their input.
fn products<'g>((y, x): (Expr<'g>, Expr<'g>), (seeded, seeds): (Expr<'g>, &Value), side: Side) -> (String, Expr<'g>) {
    let graph = y.graph();
    let free = (0..).map(|number| format!("directions_{number}")).find(|name| graph.named(name).is_none());
    let name = free.expect("invariant: there is always another number");
    let n_colors = Dim::from(seeds.shape()[0] as i64);
    let shape: Shape = std::iter::once(n_colors).chain(seeded.shape().iter().cloned()).collect();
    let directions = graph.input_of(seeded.dtype(), &name, shape);
    let frame = graph.frame();
    let products = graph.vmap(directions, |direction| {
        let _frame = graph.reenter(frame);
        match side {
            Side::Columns => graph.jvp(y, &[(x, direction)]),
            Side::Rows => graph.vjp(y, direction, &[x])[0],
        }
    });
    (name, products)
}
