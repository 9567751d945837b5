// One minute of students' feedback, sent by k6: `make load URL=http://127.0.0.1:8080`.
// K6_STAGES=2s:5,6s:5,2s:0 sets another load, P95 and P99 set other limits (milliseconds).
import { check, sleep } from 'k6';
import http from 'k6/http';

const URL = (__ENV.URL || 'http://127.0.0.1:8080').replace(/\/+$/, '');
const KEYS = [
  'student_id', 'task_id', 'difficulty_adjustment', 'topic_weights', 'sentiment', 'strategy_snapshot', 'timestamp',
];
const MESSAGES = ['This is too hard', 'Now I get it', 'Too easy', 'Das war schwer', '이건 너무 어려워요 😵'];

export const options = {
  stages: [
    { duration: '10s', target: 50 },
    { duration: '40s', target: 50 },
    { duration: '10s', target: 0 },
  ],
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    http_req_duration: [`p(95)<${__ENV.P95 || 500}`, `p(99)<${__ENV.P99 || 1000}`],
  },
};

export function setup() {
  const ready = http.get(`${URL}/health/ready`);
  if (ready.status !== 200) {
    throw new Error(`${URL} is not ready (status ${ready.status}): start the function first, as by \`make run\``);
  }
}

export default function () {
  const student = crypto.randomUUID();
  const feedback = JSON.stringify({ student_id: student, task_id: `task-${__ITER}`, message: any(MESSAGES) });
  const key = crypto.randomUUID();
  const first = post(feedback, key);
  check(first, {
    'is stored': (answer) => answer.status === 200,
    'has the keys of the contract': (answer) => hasKeys(fields(answer)),
    "is this student's": (answer) => fields(answer).student_id === student,
    'has the request id': (answer) => answer.headers['X-Request-Id'] === key,
  });
  if (__ITER % 10 === 0) { // like a client that lost its connection
    check(post(feedback, key), {
      'is not stored twice': (answer) => answer.headers['Idempotency-Replayed'] === 'true',
      'is the first answer': (answer) => answer.body === first.body,
    });
  }
  sleep(Math.random() / 5);
}

function post(feedback, key) {
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': key, 'X-Request-Id': key };
  return http.post(`${URL}/api/v1/feedback`, feedback, { headers });
}

function hasKeys(update) {
  return JSON.stringify(Object.keys(update)) === JSON.stringify(KEYS);
}

function fields(answer) { // an exception would end the iteration before its check is counted
  try {
    return JSON.parse(answer.body) || {}; // answer.json() would lose the keys' order
  } catch {
    return {};
  }
}

function any(list) {
  return list[Math.floor(Math.random() * list.length)];
}
