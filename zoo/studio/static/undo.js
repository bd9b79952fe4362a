// What this tab did, to be undone and redone: other tabs' doings are theirs. A reload keeps it.

import { attempt, post } from "./api.js";
import { $, state } from "./state.js";

const MOST = 300;
const KEY = () => `done ${state.book.keep}`;
let past = [];
let future = [];

/** What a step has to bring about: apply(step, back). */
export const on = { async apply() {} };

export function load() {
  try {
    [past, future] = JSON.parse(sessionStorage.getItem(KEY())) ?? [[], []];
  } catch {
    [past, future] = [[], []];
  }
  show();
}

/** Remembers a step that was done, if it changed anything. */
export function did(step) {
  if (JSON.stringify(step.before) === JSON.stringify(step.after)) return;
  past = [...past, step].slice(-MOST);
  future = [];
  show();
}

function show() {
  $("undo").disabled = !past.length;
  $("redo").disabled = !future.length;
  try {
    sessionStorage.setItem(KEY(), JSON.stringify([past, future]));
  } catch {
    // No room: a reload forgets what was to be undone.
  }
}

/** Undoes or redoes the last step; one that is refused stays, unless it would be for ever. */
async function turn(back) {
  const step = (back ? past : future).at(-1);
  if (!step) return;
  let refused = null;
  await attempt(async () => {
    try {
      await on.apply(step, back);
    } catch (error) {
      refused = error;
      throw error;
    }
  });
  if (refused && !refused.gone) return;
  const [from, to] = back ? [past, future] : [future, past];
  const last = from.at(-1) === step; // else another step was done meanwhile
  if (from.includes(step)) from.splice(from.indexOf(step), 1);
  if (last && !refused) to.push(step);
  show();
}

let turning = Promise.resolve();

/** Does a change after those that are on their way, so that undo knows of each before it begins. */
export const inTurn = (work) => (turning = turning.then(work, work));
export const undo = () => inTurn(() => turn(true));
export const redo = () => inTurn(() => turn(false));

/** Brings marks of a page from some to others; the answer of the last change. */
export async function bring(page, from, to) {
  let answer;
  const path = `/api/page/${page}/marks`;
  for (const mark of from) if (!to.some((each) => each.id === mark.id)) answer = await post(path, { drop: true, id: mark.id });
  for (const mark of to) answer = await post(path, mark);
  return answer;
}
