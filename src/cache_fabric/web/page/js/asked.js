// What the server has at a path: asked at once where the question changes, and calmly where what it is
// about has moved: one request at a time, at most one a second.

import { useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { use } from "./store.js";

const CALM = 1000; // milliseconds

const NOTHING = { value: null, error: null };

export function useAsked(ask, question, moved) {
  const of = JSON.stringify(question);
  const [found, setFound] = useState({ ...NOTHING, of });
  const { resyncs } = use("resyncs");
  const once = useRef(null);
  const isFirst = useRef(true);
  useEffect(() => {
    let left = false;
    let busy = false;
    let due = false;
    const go = async () => {
      busy = true;
      due = false;
      const rested = new Promise((done) => setTimeout(done, CALM));
      const told = await ask().then(
        (value) => () => ({ value, error: null, of }),
        (error) => (before) => ({ value: before.of === of ? before.value : null, error, of }),
      );
      if (left) return;
      setFound(told);
      await rested;
      busy = false;
      if (due && !left) go();
    };
    once.current = () => {
      if (busy) due = true;
      else go();
    };
    go();
    return () => { left = true; };
  }, [of]);
  useEffect(() => {
    if (!isFirst.current) once.current();
    isFirst.current = false;
  }, [moved, resyncs]);
  return found.of === of ? found : NOTHING; // an answer is shown under its own question alone
}
