// Phone numbers in one form.
//
// When to use: a source writes numbers as people type them - "030 / 1234-56",
// "0049 (30) 123456", "+49 30 123456" - and a target wants "+4930123456".
//
// Use it in a rule:
//
//     phone: =phoneNumber(telephone, "49")
//
// The second argument is the country code of numbers that do not say their
// country. What is not a number at all contributes nothing, so that the next
// source in precedence may.

// international returns the number with its country and without blanks, or undefined.
function international(text, country) {
  let number = text.replace(/\(0\)/g, ""); // +49 (0) 30 is +49 30
  number = number.replace(/[\s()\/.\u2013\u00a0-]/g, "");
  if (number.startsWith("00")) number = "+" + number.slice(2);
  else if (number.startsWith("0")) number = "+" + country + number.slice(1);
  return /^\+[1-9][0-9]{5,14}$/.test(number) ? number : undefined;
}

flowFunction("phoneNumber", (text, country) => (text ? international(text, country) : undefined));
