\set student random(1, :students)
INSERT INTO feedback (student_id, task_id, message, perceived_difficulty, difficulty_adjustment,
                      topic_weights, sentiment, strategy_snapshot, traceparent)
VALUES (lpad(:student, 32, '0')::uuid, :task_id, :message, :perceived_difficulty, :difficulty_adjustment,
        :topic_weights, :sentiment, :strategy_snapshot, :traceparent)
RETURNING created_at;
