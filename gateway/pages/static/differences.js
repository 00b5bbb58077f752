/** Finds which words two texts do not share. */

const MAX_CELLS = 250_000; // Of the table of a comparison; longer texts are shown without marks.

/** The words of both texts, each with `isSame`; case and punctuation do not count. */
export function compareTexts(left, right) {
  const [first, second] = [wordsOf(left), wordsOf(right)];
  const marked = [first.map(() => false), second.map(() => false)];
  if (first.length * second.length > MAX_CELLS) return [all(first), all(second)];
  const table = commonLengths(first.map(plain), second.map(plain));
  for (let row = 0, column = 0; row < first.length && column < second.length;) {
    if (plain(first[row]) === plain(second[column])) {
      marked[0][row] = marked[1][column] = true;
      row += 1;
      column += 1;
    } else if (table[row + 1][column] >= table[row][column + 1]) row += 1;
    else column += 1;
  }
  return [first, second].map((words, side) => words.map((text, index) => ({ text, isSame: marked[side][index] })));
}

/** Pairs of utterances of the same time: each enhanced one beside the live ones whose middle lies in it. */
export function pairByTime(live, enhanced) {
  const rows = enhanced.map((right) => ({ right, left: [] }));
  for (const utterance of live) {
    const middle = (utterance.start + utterance.end) / 2;
    const row = rows.find(({ right }, index) => middle < (rows[index + 1]?.right.start ?? Infinity) || right.end >= middle);
    if (row) row.left.push(utterance);
    else rows.push({ right: null, left: [utterance] });
  }
  return rows;
}

function commonLengths(first, second) {
  const table = Array.from({ length: first.length + 1 }, () => new Uint16Array(second.length + 1));
  for (let row = first.length - 1; row >= 0; row -= 1) {
    for (let column = second.length - 1; column >= 0; column -= 1) {
      table[row][column] = first[row] === second[column] ? table[row + 1][column + 1] + 1
        : Math.max(table[row + 1][column], table[row][column + 1]);
    }
  }
  return table;
}

const wordsOf = (text) => text.split(/\s+/).filter(Boolean);
const all = (words) => words.map((text) => ({ text, isSame: true }));
const plain = (word) => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
