//! Numbers as digits where nothing may be allocated: in a child before its exec.

/// The digits of a number.
pub(super) struct Decimal {
    digits: [u8; LONGEST],
    from: usize,
}

/// As many as the largest has.
const LONGEST: usize = 20;

impl Decimal {
    /// Of this one.
    pub(super) fn of(mut number: u64) -> Self {
        let mut decimal = Self { digits: [b'0'; LONGEST], from: LONGEST };
        for place in decimal.digits.iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
            decimal.from -= 1;
            if number == 0 {
                break;
            }
        }
        decimal
    }

    /// As ASCII.
    pub(super) fn digits(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_that_people_write() {
        for number in [0, 7, 10, 4_194_304, u64::MAX] {
            assert_eq!(Decimal::of(number).digits(), number.to_string().as_bytes());
        }
    }
}
