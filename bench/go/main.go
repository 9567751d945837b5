// The kind of service that the function replaces. It gives valid feedback the same answer and row.
package main

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
)

const insert = `
INSERT INTO feedback (student_id, task_id, message, perceived_difficulty, difficulty_adjustment,
                      topic_weights, sentiment, strategy_snapshot, traceparent)
VALUES ($1, $2, $3, 'ok', 0, $4, 'neutral', $5, $6)
RETURNING created_at`

type feedback struct {
	StudentID uuid.UUID `json:"student_id" binding:"required"`
	TaskID    string    `json:"task_id" binding:"required"`
	Message   string    `json:"message" binding:"required,max=5000"`
}

type strategy struct {
	StudentID            uuid.UUID          `json:"student_id"`
	TaskID               string             `json:"task_id"`
	DifficultyAdjustment float64            `json:"difficulty_adjustment"`
	TopicWeights         map[string]float64 `json:"topic_weights"`
	Sentiment            string             `json:"sentiment"`
	StrategySnapshot     map[string]any     `json:"strategy_snapshot"`
	Timestamp            time.Time          `json:"timestamp"`
}

func main() {
	logs := zap.NewProductionConfig()
	logs.Sampling = nil // it would drop most of the lines
	logs.OutputPaths = []string{"stdout"}
	logs.DisableCaller = true
	log := zap.Must(logs.Build())
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal("DATABASE_URL is wrong", zap.Error(err))
	}
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		log.Fatal("no pool", zap.Error(err))
	}
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery(), logged(log))
	router.POST("/api/v1/feedback", func(c *gin.Context) { submit(c, pool, log) })
	log.Fatal("stopped", zap.Error(router.Run("127.0.0.1:"+os.Getenv("PORT"))))
}

// logged writes one line per request.
func logged(log *zap.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		started, id := time.Now(), c.GetHeader("X-Request-Id")
		if id == "" {
			id = uuid.NewString()
		}
		c.Header("X-Request-Id", id)
		c.Next()
		log.Info("request", zap.String("request_id", id), zap.String("method", c.Request.Method),
			zap.String("path", c.FullPath()), zap.Int("status", c.Writer.Status()),
			zap.Duration("duration", time.Since(started)))
	}
}

func submit(c *gin.Context, pool *pgxpool.Pool, log *zap.Logger) {
	var given feedback
	if err := c.ShouldBindJSON(&given); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"code": "INVALID_REQUEST", "message": "The feedback is not valid."})
		return
	}
	weights := map[string]float64{"general": 1}
	snapshot := map[string]any{"difficulty_weight": 1.0, "feedback_based": true, "sentiment": "neutral"}
	var created time.Time
	// Not under the request's context: pgx closes a connection when a client leaves, and wrk's do.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := pool.QueryRow(ctx, insert, given.StudentID, given.TaskID, given.Message,
		weights, snapshot, c.GetHeader("traceparent")).Scan(&created)
	if err != nil {
		log.Error("not stored", zap.Error(err))
		c.JSON(http.StatusServiceUnavailable, gin.H{"code": "UNAVAILABLE", "message": "Try again."})
		return
	}
	c.JSON(http.StatusOK, strategy{given.StudentID, given.TaskID, 0, weights, "neutral", snapshot,
		created.UTC()})
}
