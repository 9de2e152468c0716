//! `[[ ... ]]`: it runs nothing by itself, unless what it computes or compares does.

use brush_parser::ast::{BinaryPredicate, ExtendedTestExpr, UnaryPredicate};

use super::walk::Walk;
use super::{Opaque, Word};

pub(super) fn read(walk: &mut Walk, test: &ExtendedTestExpr) {
    match test {
        ExtendedTestExpr::And(left, right) | ExtendedTestExpr::Or(left, right) => {
            // To sh, which has no `[[`, this is `[[ left` and then a command.
            if !starts_harmless(right) {
                walk.note(Opaque::Unclear);
            }
            read(walk, left);
            read(walk, right);
        }
        ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => read(walk, inner),
        ExtendedTestExpr::UnaryTest(predicate, operand) => {
            let operand = walk.word(&operand.value);
            let names = matches!(
                predicate,
                UnaryPredicate::ShellVariableIsSetAndAssigned | UnaryPredicate::ShellVariableIsSetAndNameRef
            );
            if names && (operand.dynamic || operand.text.contains('[')) {
                walk.note(Opaque::Arithmetic);
            }
        }
        ExtendedTestExpr::BinaryTest(predicate, left, right) => {
            let operands = [walk.word(&left.value), walk.word(&right.value)];
            if is_arithmetic(predicate) && !operands.iter().all(is_number) {
                walk.note(Opaque::Arithmetic);
            }
            let redirects =
                matches!(predicate, BinaryPredicate::LeftSortsBeforeRight | BinaryPredicate::LeftSortsAfterRight);
            if redirects {
                walk.note(Opaque::Unclear); // in sh
            }
        }
    }
}

/// True if the first word is `-f` or its like, which no program is called.
fn starts_harmless(test: &ExtendedTestExpr) -> bool {
    match test {
        // `-n x` and a bare `x` come out the same.
        ExtendedTestExpr::UnaryTest(predicate, _) => !matches!(predicate, UnaryPredicate::StringHasNonZeroLength),
        ExtendedTestExpr::BinaryTest(..) => false,
        ExtendedTestExpr::And(left, _) | ExtendedTestExpr::Or(left, _) => starts_harmless(left),
        ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => starts_harmless(inner),
    }
}

fn is_arithmetic(predicate: &BinaryPredicate) -> bool {
    matches!(
        predicate,
        BinaryPredicate::ArithmeticEqualTo
            | BinaryPredicate::ArithmeticNotEqualTo
            | BinaryPredicate::ArithmeticLessThan
            | BinaryPredicate::ArithmeticLessThanOrEqualTo
            | BinaryPredicate::ArithmeticGreaterThan
            | BinaryPredicate::ArithmeticGreaterThanOrEqualTo
    )
}

/// A number, or a parameter that always holds one.
fn is_number(word: &Word) -> bool {
    if word.dynamic {
        return matches!(word.text.as_str(), "$?" | "$#" | "$$" | "\"$?\"" | "\"$#\"");
    }
    let digits = word.text.strip_prefix('-').unwrap_or(&word.text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
